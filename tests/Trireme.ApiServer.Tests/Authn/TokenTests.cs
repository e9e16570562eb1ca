using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Tests.Pipeline;

namespace Trireme.ApiServer.Tests.Authn;

public sealed class TokenTests : IDisposable
{
    private const string Issuer = "https://kubernetes.default.svc.cluster.local";

    private readonly string _directory = Directory.CreateTempSubdirectory("trireme-tokens").FullName;
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly FakeResourceReader _reader = new();
    private readonly ServiceAccountKeys _keys;

    public TokenTests()
    {
        _keys = MakeKeys("sa");
        _reader.Set(new ServiceAccount { Metadata = new ObjectMeta { Namespace = "ns", Name = "robot", Uid = "u1" } });
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_token_is_good_until_it_expires()
    {
        var token = Issue();
        var result = await Check(token);
        Assert.Equal("system:serviceaccount:ns:robot", result.User!.Name);
        Assert.Equal("u1", result.User.Uid);
        Assert.Equal(["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"], result.User.Groups);
        Assert.StartsWith("JTI=", result.User.Extra["authentication.kubernetes.io/credential-id"][0], StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.NotNull((await Check(token)).Failure);
    }

    [Fact]
    public async Task A_token_of_another_key_issuer_or_audience_is_refused()
    {
        Assert.NotNull((await Check(Issue(MakeKeys("other")))).Failure);
        Assert.Equal(AuthenticationResult.NoOpinion, await Check(Issue(issuer: "https://elsewhere")));
        Assert.NotNull((await Check(Issue(audience: "vault"))).Failure);
        Assert.NotNull((await Check(Issue(audience: "vault"), "vault")).User);
        Assert.NotNull((await Check(Issue()[..^4] + "AAAA")).Failure);
    }

    [Fact]
    public async Task A_token_dies_with_its_account_and_with_the_pod_it_is_bound_to()
    {
        _reader.Set(new Pod { Metadata = new ObjectMeta { Namespace = "ns", Name = "p", Uid = "u2" } });
        var token = Issue(pod: new BoundObject("p", "u2"));
        var user = (await Check(token)).User!;
        Assert.Equal(["p"], user.Extra["authentication.kubernetes.io/pod-name"]);
        _reader.Set(new Pod { Metadata = new ObjectMeta { Namespace = "ns", Name = "p", Uid = "another" } });
        Assert.NotNull((await Check(token)).Failure);
        Assert.NotNull((await Check(Issue())).User);
        _reader.Remove<ServiceAccount>("ns", "robot");
        Assert.NotNull((await Check(Issue())).Failure);
    }

    [Fact]
    public async Task An_account_that_another_server_made_a_moment_ago_is_waited_for()
    {
        _reader.Remove<ServiceAccount>("ns", "robot");
        _reader.OnWait = () => _reader.Set(new ServiceAccount { Metadata = new ObjectMeta { Namespace = "ns", Name = "robot", Uid = "u1" } });
        Assert.NotNull((await Check(Issue())).User);
        Assert.Equal(1, _reader.Waits);
    }

    [Fact]
    public async Task Keys_of_both_kinds_sign_and_verify()
    {
        using var rsa = RSA.Create(2048);
        var path = Path.Combine(_directory, "rsa.key");
        await File.WriteAllTextAsync(path, rsa.ExportPkcs8PrivateKeyPem());
        var keys = ServiceAccountKeys.Load([Path.Combine(_directory, "sa.key")], path);
        Assert.Equal(["RS256", "ES256"], keys.Algorithms);
        Assert.NotNull((await Authenticator(keys).AuthenticateAsync(Issue(keys), [], CancellationToken.None)).User);
        Assert.NotNull((await Authenticator(keys).AuthenticateAsync(Issue(), [], CancellationToken.None)).User);
        Assert.Contains("\"crv\":\"P-256\"", Encoding.UTF8.GetString(keys.ToJsonWebKeySet()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bootstrap_token_is_as_good_as_its_secret()
    {
        var bootstrap = new BootstrapTokenAuthenticator(_reader, _time);
        Task<AuthenticationResult> Try(string token) => bootstrap.AuthenticateAsync(token, [], CancellationToken.None).AsTask();
        Assert.Equal(AuthenticationResult.NoOpinion, await Try("not-a-token"));
        Assert.NotNull((await Try("abcdef.0123456789abcdef")).Failure);
        _reader.Set(BootstrapSecret(("expiration", "2030-01-02T00:00:00Z"), ("usage-bootstrap-authentication", "true"), ("auth-extra-groups", "system:bootstrappers:kubeadm")));
        var user = (await Try("abcdef.0123456789abcdef")).User!;
        Assert.Equal("system:bootstrap:abcdef", user.Name);
        Assert.Equal(["system:bootstrappers", "system:bootstrappers:kubeadm", "system:authenticated"], user.Groups);
        Assert.NotNull((await Try("abcdef.fedcba9876543210")).Failure);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.NotNull((await Try("abcdef.0123456789abcdef")).Failure);
        _reader.Set(BootstrapSecret(("usage-bootstrap-authentication", "true"), ("auth-extra-groups", "system:masters")));
        Assert.NotNull((await Try("abcdef.0123456789abcdef")).Failure);
    }

    [Fact]
    public async Task Static_tokens_are_read_from_lines()
    {
        var tokens = new StaticTokenAuthenticator(["# comment", "secret,alice,42,\"dev,ops\"", ""]);
        var user = (await tokens.AuthenticateAsync("secret", [], CancellationToken.None)).User!;
        Assert.Equal(("alice", "42"), (user.Name, user.Uid));
        Assert.Equal(["dev", "ops", "system:authenticated"], user.Groups);
        Assert.Equal(AuthenticationResult.NoOpinion, await tokens.AuthenticateAsync("other", [], CancellationToken.None));
        Assert.Throws<FormatException>(() => new StaticTokenAuthenticator(["secret,alice"]));
    }

    private static Secret BootstrapSecret(params (string Key, string Value)[] data)
    {
        var all = new Dictionary<string, byte[]> { ["token-id"] = "abcdef"u8.ToArray(), ["token-secret"] = "0123456789abcdef"u8.ToArray() };
        foreach (var (key, value) in data)
        {
            all[key] = Encoding.UTF8.GetBytes(value);
        }

        return new Secret { Metadata = new ObjectMeta { Namespace = "kube-system", Name = "bootstrap-token-abcdef" }, Type = "bootstrap.kubernetes.io/token", Data = all };
    }

    private string Issue(ServiceAccountKeys? keys = null, string issuer = Issuer, string audience = Issuer, BoundObject? pod = null) =>
        new TokenIssuer(keys ?? _keys, issuer, _time).Issue(new BoundClaims("ns", new BoundObject("robot", "u1"), pod, null, null), [audience], TimeSpan.FromHours(1)).Token;

    private Task<AuthenticationResult> Check(string token, params string[] audiences) => Authenticator(_keys).AuthenticateAsync(token, audiences, CancellationToken.None).AsTask();

    private ServiceAccountTokenAuthenticator Authenticator(ServiceAccountKeys keys) => new(keys, [Issuer], [Issuer], _reader, _time);

    private ServiceAccountKeys MakeKeys(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var path = Path.Combine(_directory, name + ".key");
        File.WriteAllText(path, key.ExportPkcs8PrivateKeyPem());
        return ServiceAccountKeys.Load([], path);
    }
}
