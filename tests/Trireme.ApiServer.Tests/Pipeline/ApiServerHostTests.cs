using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Trireme.Storage.InMemory;
using Trireme.TestKit;

namespace Trireme.ApiServer.Tests.Pipeline;

/// <summary>The whole server over real sockets.</summary>
public sealed class ApiServerHostTests : IAsyncDisposable
{
    private readonly InMemoryStore _store = new();
    private readonly HostHarness _harness = new();

    public async ValueTask DisposeAsync()
    {
        await _harness.DisposeAsync();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Clients_are_who_their_certificate_or_token_says()
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        using var nobody = _harness.Client(host);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/api/v1/namespaces")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await nobody.GetAsync("/version")).StatusCode);

        var refused = await nobody.GetAsync("/api/v1/namespaces");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Equal(
            "namespaces is forbidden: User \"system:anonymous\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope",
            (await HostHarness.JsonAsync(refused)).GetProperty("message").GetString());

        nobody.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "nonsense");
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.GetAsync("/version")).StatusCode);
        nobody.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "alice-token");
        Assert.Equal("alice", await WhoAmIAsync(nobody));
    }

    [Fact]
    public async Task Who_may_impersonate_acts_as_the_other_and_who_may_not_is_told()
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        admin.DefaultRequestHeaders.Add("Impersonate-User", "bob");
        Assert.Equal("bob", await WhoAmIAsync(admin));
        Assert.Equal(HttpStatusCode.Forbidden, (await admin.GetAsync("/api/v1/namespaces")).StatusCode);

        using var eve = _harness.Client(host, "eve");
        eve.DefaultRequestHeaders.Add("Impersonate-User", "admin");
        var refused = await HostHarness.JsonAsync(await eve.GetAsync("/api/v1/namespaces"));
        Assert.Contains("User \"eve\" cannot impersonate resource \"users\"", refused.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_requested_token_is_good_and_dies_with_its_account()
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        await CreateAsync(admin, "/api/v1/namespaces/default/serviceaccounts", """{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"robot"}}""");
        var answer = await CreateAsync(admin, "/api/v1/namespaces/default/serviceaccounts/robot/token", """{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}""");
        var token = answer.GetProperty("status").GetProperty("token").GetString()!;

        using var robot = _harness.Client(host);
        robot.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        Assert.Equal("system:serviceaccount:default:robot", await WhoAmIAsync(robot));
        var keys = await HostHarness.JsonAsync(await robot.GetAsync("/openid/v1/jwks"));
        Assert.Equal("EC", keys.GetProperty("keys")[0].GetProperty("kty").GetString());

        await admin.DeleteAsync("/api/v1/namespaces/default/serviceaccounts/robot");
        var review = await CreateAsync(admin, "/apis/authentication.k8s.io/v1/tokenreviews", $$$"""{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"{{{token}}}"}}""");
        Assert.False(review.GetProperty("status").TryGetProperty("authenticated", out var good) && good.GetBoolean());
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("?resourceVersion=0", false)]
    [InlineData("", true)]
    public async Task A_long_list_arrives_to_its_last_byte_over_the_oldest_protocol(string query, bool compressed)
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        var filler = new string('x', 5000);
        for (var i = 0; i < 150; i++)
        {
            await CreateAsync(admin, "/api/v1/namespaces/default/configmaps", $$$"""{"metadata":{"name":"c{{{i}}}","labels":{"long":"yes"}},"data":{"f":"{{{filler}}}"}}""");
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/namespaces/default/configmaps" + query)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (compressed)
        {
            request.Headers.AcceptEncoding.ParseAdd("gzip");
        }

        // What is left unsent would come when the idle connection is closed, minutes later.
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        using var answer = await admin.SendAsync(request, deadline.Token);
        var body = await answer.Content.ReadAsByteArrayAsync(deadline.Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(compressed, answer.Content.Headers.ContentEncoding.Contains("gzip"));
        await using var plain = compressed ? new System.IO.Compression.GZipStream(new MemoryStream(body), System.IO.Compression.CompressionMode.Decompress) : (Stream)new MemoryStream(body);
        using var list = await System.Text.Json.JsonDocument.ParseAsync(plain, cancellationToken: deadline.Token);
        Assert.True(list.RootElement.GetProperty("items").GetArrayLength() >= 150);
    }

    [Fact]
    public async Task A_server_that_was_halted_carries_out_no_write_that_waited_meanwhile()
    {
        var time = new HaltingTime();
        var host = await _harness.StartAsync(_store, time: time);
        using var admin = _harness.Admin(host);

        // Nothing of the body is taken before the server has asked for it.
        var body = new System.IO.Pipelines.Pipe(new System.IO.Pipelines.PipeOptions(pauseWriterThreshold: 1, resumeWriterThreshold: 1));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/namespaces/default/configmaps")
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Headers = { ExpectContinue = true },
            Content = new StreamContent(body.Reader.AsStream()) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        var waiting = admin.SendAsync(request);
        await body.Writer.WriteAsync("{\"metadata\":{\"name\":"u8.ToArray());

        time.Halt(TimeSpan.FromSeconds(3));
        await body.Writer.WriteAsync("\"late\"}}"u8.ToArray());
        await body.Writer.CompleteAsync();

        await Assert.ThrowsAsync<HttpRequestException>(() => waiting);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync("/api/v1/namespaces/default/configmaps/late")).StatusCode);
        await CreateAsync(admin, "/api/v1/namespaces/default/configmaps", """{"metadata":{"name":"prompt"}}""");
    }

    [Fact]
    public async Task Discovery_is_served_in_both_forms_and_not_sent_twice()
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/apis");
        request.Headers.TryAddWithoutValidation("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
        var aggregated = await admin.SendAsync(request);
        Assert.Equal("APIGroupDiscoveryList", (await HostHarness.JsonAsync(aggregated)).GetProperty("kind").GetString());
        Assert.Equal("APIGroupList", (await HostHarness.JsonAsync(await admin.GetAsync("/apis"))).GetProperty("kind").GetString());
        Assert.Equal("APIResourceList", (await HostHarness.JsonAsync(await admin.GetAsync("/apis/apps/v1"))).GetProperty("kind").GetString());
        Assert.Contains("apis/apps/v1", await admin.GetStringAsync("/openapi/v3"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/openapi/v3/apis/apps/v1")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync("/apis/nowhere.example/v1")).StatusCode);

        using var again = new HttpRequestMessage(HttpMethod.Get, "/apis");
        again.Headers.TryAddWithoutValidation("Accept", request.Headers.NonValidated["Accept"].ToString());
        again.Headers.TryAddWithoutValidation("If-None-Match", aggregated.Headers.ETag!.ToString());
        Assert.Equal(HttpStatusCode.NotModified, (await admin.SendAsync(again)).StatusCode);
    }

    [Fact]
    public async Task A_fresh_cluster_holds_what_every_cluster_holds()
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        foreach (var path in (string[])
            [
                "/api/v1/namespaces/kube-node-lease", "/api/v1/namespaces/default/services/kubernetes", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin",
                "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/exempt",
                "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader",
            ])
        {
            Assert.Equal((path, HttpStatusCode.OK), (path, (await admin.GetAsync(path)).StatusCode));
        }

        var service = await HostHarness.JsonAsync(await admin.GetAsync("/api/v1/namespaces/default/services/kubernetes"));
        Assert.Equal("10.96.0.1", service.GetProperty("spec").GetProperty("clusterIP").GetString());
    }

    [Fact]
    public async Task Without_a_quorum_reads_are_answered_writes_fail_fast_and_readiness_says_so()
    {
        var store = new UnreliableStore(_store);
        var host = await _harness.StartAsync(store);
        using var admin = _harness.Admin(host);
        using var alice = _harness.Client(host);
        alice.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "alice-token");
        store.IsDown = true;
        await EventuallyAsync(async () => (await admin.GetAsync("/readyz")).StatusCode == HttpStatusCode.InternalServerError);
        Assert.Contains("[-]etcd failed", await (await admin.GetAsync("/readyz")).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/livez")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/readyz?exclude=etcd")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/api/v1/namespaces?resourceVersion=0")).StatusCode);
        var unconfirmed = await admin.GetAsync("/api/v1/namespaces/nowhere");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, unconfirmed.StatusCode);
        Assert.Contains("did not confirm", Assert.Single(unconfirmed.Headers.GetValues("Warning")), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await admin.GetAsync("/apis/example.com/v1/things")).StatusCode);
        Assert.Equal("alice", await WhoAmIAsync(alice));
        using var body = Json("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}}""");
        var refused = await admin.PostAsync("/api/v1/namespaces", body);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("ServiceUnavailable", (await HostHarness.JsonAsync(refused)).GetProperty("reason").GetString());
        store.IsDown = false;
        await EventuallyAsync(async () => (await admin.GetAsync("/readyz")).IsSuccessStatusCode);
    }

    [Fact]
    public async Task What_the_store_finds_too_large_is_said_to_be_too_large()
    {
        var store = new UnreliableStore(_store);
        var host = await _harness.StartAsync(store);
        using var admin = _harness.Admin(host);
        store.CommitFailure = new Trireme.Storage.StoreRequestTooLargeException("request is too large");
        using var body = Json("""{"metadata":{"name":"large"}}""");
        var refused = await admin.PostAsync("/api/v1/namespaces/default/configmaps", body);
        store.CommitFailure = null;
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
        Assert.Equal("RequestEntityTooLarge", (await HostHarness.JsonAsync(refused)).GetProperty("reason").GetString());
    }

    [Theory]
    [InlineData("exec?command=ls")]
    [InlineData("attach")]
    [InlineData("portforward?ports=80")]
    public async Task Who_may_only_read_runs_nothing_in_a_pod_over_a_WebSocket_either(string subresource)
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        using var eve = _harness.Client(host, "eve");
        const string Rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
        await CreateAsync(admin, $"{Rbac}/roles", """{"metadata":{"name":"reader"},"rules":[{"apiGroups":[""],"resources":["pods/exec","pods/attach","pods/portforward"],"verbs":["get"]}]}""");
        await CreateAsync(admin, $"{Rbac}/rolebindings", """{"metadata":{"name":"reader"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"reader"},"subjects":[{"kind":"User","name":"eve"}]}""");

        // Before the server has heard of the role it says that eve cannot get.
        await EventuallyAsync(async () =>
        {
            var refused = await eve.GetAsync($"/api/v1/namespaces/default/pods/p/{subresource}");
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
            return (await HostHarness.JsonAsync(refused)).GetProperty("message").GetString()!.Contains("User \"eve\" cannot create resource \"pods/", StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_server_that_stops_ends_its_watches_cleanly()
    {
        var host = await _harness.StartAsync(_store);
        using var admin = _harness.Admin(host);
        using var watch = await admin.GetAsync("/api/v1/namespaces?watch=true&resourceVersion=0", HttpCompletionOption.ResponseHeadersRead);
        var stopping = host.StopAsync();

        // To its end without an error: an aborted stream would throw.
        Assert.Contains("\"ADDED\"", await watch.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await stopping;
    }

    [Fact]
    public async Task A_replaced_certificate_is_served_without_a_restart()
    {
        var host = await _harness.StartAsync(_store);
        var replaced = _harness.WriteServing();
        File.SetLastWriteTimeUtc(_harness.PathOf("serving.crt"), DateTime.UtcNow.AddSeconds(5));
        await EventuallyAsync(async () =>
        {
            using var client = _harness.Admin(host);
            await client.GetAsync("/livez");
            return host.Serving == replaced.GetCertHashString();
        });
    }

    [Fact]
    public async Task Servers_announce_themselves_and_leave_when_they_stop()
    {
        var first = await _harness.StartAsync(_store, o => o with { AdvertiseAddress = IPAddress.Parse("10.0.0.1") });
        var second = await _harness.StartAsync(_store, o => o with { AdvertiseAddress = IPAddress.Parse("10.0.0.2") });
        using var admin = _harness.Admin(first);
        await EventuallyAsync(async () => await AddressesAsync(admin) is "10.0.0.1,10.0.0.2");
        await second.StopAsync();
        Assert.Equal("10.0.0.1", await AddressesAsync(admin));
    }

    private static async Task<string> AddressesAsync(HttpClient client)
    {
        var response = await client.GetAsync("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes");
        return response.IsSuccessStatusCode
            ? string.Join(',', (await HostHarness.JsonAsync(response)).GetProperty("endpoints").EnumerateArray().Select(e => e.GetProperty("addresses")[0].GetString()))
            : "";
    }

    private static async Task<string?> WhoAmIAsync(HttpClient client)
    {
        var review = await CreateAsync(client, "/apis/authentication.k8s.io/v1/selfsubjectreviews", """{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}""");
        return review.GetProperty("status").GetProperty("userInfo").GetProperty("username").GetString();
    }

    private static async Task<System.Text.Json.JsonElement> CreateAsync(HttpClient client, string path, string json)
    {
        using var body = Json(json);
        var response = await client.PostAsync(path, body);
        var answer = await HostHarness.JsonAsync(response);
        Assert.True(response.StatusCode == HttpStatusCode.Created, answer.ToString());
        return answer;
    }

    private static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");

    private static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await condition())
        {
            await Task.Delay(50, patience.Token);
        }
    }
}
