using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Tests.Pipeline;
using UserInfo = Trireme.ApiServer.Pipeline.UserInfo;

namespace Trireme.ApiServer.Tests.Authn;

public sealed class TokenRequestTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("trireme-tokens").FullName;
    private readonly TokenRequests _requests;

    public TokenRequestTests()
    {
        var reader = new FakeResourceReader();
        reader.Set(new ServiceAccount { Metadata = new ObjectMeta { Namespace = "ns", Name = "robot", Uid = "u1" } });
        reader.Set(Pod("mine", "a"));
        reader.Set(Pod("theirs", "b"));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var path = Path.Combine(_directory, "sa.key");
        File.WriteAllText(path, key.ExportPkcs8PrivateKeyPem());
        _requests = new TokenRequests(
            new TokenIssuer(ServiceAccountKeys.Load([], path), "https://issuer", TimeProvider.System), ["https://issuer"], TimeSpan.FromHours(1), reader, TimeProvider.System);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("{}", "node requested token not bound to a pod")]
    [InlineData("""{"boundObjectRef":{"kind":"Pod","name":"mine"}}""", "node requested token not bound to a pod")]
    [InlineData("""{"boundObjectRef":{"kind":"Secret","name":"mine","uid":"mine"}}""", "node requested token not bound to a pod")]
    [InlineData("""{"boundObjectRef":{"kind":"Pod","name":"theirs","uid":"theirs"}}""", "node requested token bound to a pod scheduled on a different node")]
    public async Task A_node_gets_no_token_that_outlives_or_leaves_its_pods(string spec, string reason)
    {
        var refused = await Assert.ThrowsAsync<ApiStatusException>(() => RequestAsync(new UserInfo("system:node:a", UserInfo.NodesGroup), spec));
        Assert.Equal(403, refused.Status.Code);
        Assert.Contains(reason, refused.Status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_gets_tokens_for_its_pods_and_others_get_what_they_may_ask_for()
    {
        Assert.Equal(201, await RequestAsync(new UserInfo("system:node:a", UserInfo.NodesGroup), """{"boundObjectRef":{"kind":"Pod","name":"mine","uid":"mine"}}"""));
        Assert.Equal(201, await RequestAsync(new UserInfo("admin", UserInfo.SystemMasters), "{}"));
    }

    private static Pod Pod(string name, string node) => new()
    {
        Metadata = new ObjectMeta { Namespace = "ns", Name = name, Uid = name },
        Spec = new PodSpec { NodeName = node, ServiceAccountName = "robot", Containers = [] },
    };

    private async Task<int> RequestAsync(UserInfo user, string spec)
    {
        var http = new DefaultHttpContext { Response = { Body = new MemoryStream() } };
        http.Request.Method = "POST";
        http.Request.Path = "/api/v1/namespaces/ns/serviceaccounts/robot/token";
        http.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes($$"""{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{{spec}}}"""));
        await _requests.HandleAsync(http, RequestInfoFactory.Create(http), user);
        return http.Response.StatusCode;
    }
}
