using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Trireme.Storage.InMemory;

namespace Trireme.ApiServer.Tests.Pipeline;

/// <summary>What plain HTTP clients see besides the objects themselves.</summary>
public sealed class HttpSemanticsTests : IAsyncLifetime
{
    private readonly HostHarness _harness = new();
    private readonly InMemoryStore _store = new();
    private HttpClient _admin = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _admin = _harness.Admin(await _harness.StartAsync(_store));

    public async ValueTask DisposeAsync()
    {
        _admin.Dispose();
        await _harness.DisposeAsync();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task The_root_lists_the_paths_and_unknown_paths_are_plain_text()
    {
        var paths = (await JsonAsync("/")).GetProperty("paths").EnumerateArray().Select(p => p.GetString()).ToList();
        Assert.Contains("/apis/apps/v1", paths);
        Assert.Contains("/readyz/etcd", paths);
        foreach (var path in new[] { "/nope", "/apis/nope.example", "/apis/nope.example/v1/things", "/readyz/nope" })
        {
            using var answer = await _admin.GetAsync(path, Cancelled);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
            Assert.Equal("404 page not found\n", await answer.Content.ReadAsStringAsync(Cancelled));
        }
    }

    [Theory]
    [InlineData("GET", "/api/v1/nope", 404)]
    [InlineData("GET", "/apis/apps/v9", 404)]
    [InlineData("GET", "/api/v1/pods/x", 404)]
    [InlineData("GET", "/api/v1/namespaces/default/nodes", 404)]
    [InlineData("DELETE", "/api/v1/namespaces/default/nodes/server-1", 404)]
    [InlineData("DELETE", "/api/v1/namespaces/default/namespaces/kube-node-lease", 404)]
    [InlineData("GET", "/api/v1/namespaces/default/namespaces", 404)]
    [InlineData("GET", "/api/v1/namespaces/default/nodes/server-1/proxy/", 404)]
    [InlineData("PUT", "/apis/certificates.k8s.io/v1/namespaces/default/certificatesigningrequests/x/approval", 404)]
    [InlineData("POST", "/apis/apiextensions.k8s.io/v1/namespaces/default/customresourcedefinitions", 404)]
    [InlineData("POST", "/apis/authorization.k8s.io/v1/namespaces/default/subjectaccessreviews", 404)]
    [InlineData("GET", "/api/v1/watch/namespaces/default/pods/x/exec", 404)]
    [InlineData("GET", "/api/v1/proxy/namespaces/default/pods/x/exec", 404)]
    [InlineData("PUT", "/api/v1/namespaces/default/pods/x/exec", 405)]
    [InlineData("POST", "/api/v1/namespaces/default", 405)]
    [InlineData("PUT", "/api/v1/namespaces", 405)]
    [InlineData("PATCH", "/api/v1/namespaces/default/pods", 405)]
    [InlineData("DELETE", "/api/v1/namespaces", 405)]
    public async Task A_method_or_path_that_is_not_served_is_a_Status_with_empty_details(string method, string path, int code)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
        using var answer = await _admin.SendAsync(request, Cancelled);
        var status = await HostHarness.JsonAsync(answer);
        Assert.Equal(code, (int)answer.StatusCode);
        Assert.Equal(code, status.GetProperty("code").GetInt32());
        Assert.Equal("{}", status.GetProperty("details").GetRawText());
    }

    [Fact]
    public async Task Json_is_indented_for_curl_and_on_demand_and_compact_for_programs()
    {
        Assert.DoesNotContain("\n  ", await TextAsync("/api/v1/namespaces/default"), StringComparison.Ordinal);
        Assert.Contains("\n  \"kind\": \"Namespace\"", await TextAsync("/api/v1/namespaces/default?pretty=true"), StringComparison.Ordinal);
        Assert.Contains("\n  \"kind\": \"NamespaceList\"", await TextAsync("/api/v1/namespaces", agent: "curl/8.0"), StringComparison.Ordinal);
        Assert.DoesNotContain("\n  ", await TextAsync("/api/v1/namespaces?pretty=false", agent: "curl/8.0"), StringComparison.Ordinal);

        // Errors are answers too.
        Assert.Contains("\n  \"reason\": \"NotFound\"", await TextAsync("/api/v1/namespaces/none?pretty=1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Objects_come_as_yaml_when_the_client_wants_yaml()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/namespaces/default");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/yaml"));
        using var answer = await _admin.SendAsync(request, Cancelled);
        Assert.Equal("application/yaml", answer.Content.Headers.ContentType!.MediaType);
        Assert.StartsWith("kind: Namespace\napiVersion: v1\n", await answer.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watch_has_no_yaml()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/namespaces?watch=true");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/yaml"));
        using var answer = await _admin.SendAsync(request, Cancelled);
        Assert.Equal(HttpStatusCode.NotAcceptable, answer.StatusCode);
    }

    [Fact]
    public async Task A_single_check_is_answered_below_every_health_endpoint()
    {
        Assert.Equal("ok", await TextAsync("/livez/etcd"));
        Assert.Equal("ok", await TextAsync("/readyz/ping"));
        Assert.DoesNotContain("etcd", await TextAsync("/livez?verbose"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/v1/namespaces/default/configmaps/large")]
    [InlineData("/api/v1/namespaces/default/configmaps")]
    [InlineData("/openapi/v2")]
    public async Task Large_answers_are_compressed_for_who_takes_it(string path)
    {
        using var content = new StringContent($$"""{"metadata":{"name":"large"},"data":{"a":"{{new string('x', 200_000)}}"} }""", Encoding.UTF8, "application/json");
        using var created = await _admin.PostAsync("/api/v1/namespaces/default/configmaps", content, Cancelled);
        Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        var plain = await TextAsync(path);

        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.AcceptEncoding.ParseAdd("gzip");
        using var answer = await _admin.SendAsync(request, Cancelled);
        Assert.Equal("gzip", Assert.Single(answer.Content.Headers.ContentEncoding));
        await using var unpacked = new System.IO.Compression.GZipStream(await answer.Content.ReadAsStreamAsync(Cancelled), System.IO.Compression.CompressionMode.Decompress);
        using var reader = new StreamReader(unpacked);
        Assert.Equal(plain, await reader.ReadToEndAsync(Cancelled));
    }

    [Fact]
    public async Task Clients_of_a_deprecated_kind_are_warned()
    {
        using var answer = await _admin.GetAsync("/api/v1/endpoints", Cancelled);
        Assert.Contains("use discovery.k8s.io/v1 EndpointSlice", Assert.Single(answer.Headers.GetValues("Warning")), StringComparison.Ordinal);
    }

    private async Task<string> TextAsync(string path, string? agent = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (agent is not null)
        {
            request.Headers.UserAgent.ParseAdd(agent);
        }

        using var answer = await _admin.SendAsync(request, Cancelled);
        return await answer.Content.ReadAsStringAsync(Cancelled);
    }

    private async Task<JsonElement> JsonAsync(string path) => JsonDocument.Parse(await TextAsync(path)).RootElement;
}
