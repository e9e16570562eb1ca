using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client.Configuration;

namespace Trireme.Client.Tests.Transport;

public sealed class ApiClientTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_that_is_not_there_is_passed_over_and_the_next_one_kept()
    {
        await using var server = await TestServer.StartAsync(http => AnswerAsync(http, 200, Map("a")));
        using var client = Client(TestServer.Nobody(), server.Url);

        for (var i = 0; i < 3; i++)
        {
            var map = await client.GetAsync<ConfigMap>("default", "a", Stop);
            Assert.Equal("a", map.Metadata.Name);
        }

        // A write too: no connection means that nothing was sent.
        await client.CreateAsync(Map("b"), Stop);
        Assert.Equal(4, server.Seen.Count);
    }

    [Fact]
    public async Task What_a_leader_writes_names_its_term_and_what_others_write_and_all_read_does_not()
    {
        var terms = new List<string>();
        await using var server = await TestServer.StartAsync(http =>
        {
            terms.Add($"{http.Request.Method} {http.Request.Headers[LeaseTerm.Header]}");
            return AnswerAsync(http, 200, Map("a"));
        });
        using var client = Client(server.Url);
        LeaseTerm? term = null;
        var leading = client.InTerm(() => term);

        await leading.CreateAsync(Map("a"), Stop);
        term = new LeaseTerm("kube-system", "test", 3, "me");
        await leading.GetAsync<ConfigMap>("default", "a", Stop);
        await leading.CreateAsync(Map("a"), Stop);
        await leading.UpdateAsync(Map("a"), Stop);
        await leading.PatchAsync<ConfigMap>("default", "a", Patch.Merge("{}"u8.ToArray()), null, Stop);
        await leading.DeleteAsync<ConfigMap>("default", "a", null, Stop);
        (await leading.SendAsync(HttpMethod.Delete, "/api/v1/namespaces/default/configmaps", null, null, Stop)).Dispose();
        await client.CreateAsync(Map("a"), Stop);

        Assert.Equal(["POST ", "GET ", .. new[] { "POST", "PUT", "PATCH", "DELETE", "DELETE" }.Select(m => $"{m} kube-system/test/3/me"), "POST "], terms);
    }

    [Fact]
    public async Task A_read_whose_answer_is_lost_is_repeated_elsewhere()
    {
        await using var broken = await TestServer.StartAsync(AbortAsync);
        await using var server = await TestServer.StartAsync(http => AnswerAsync(http, 200, Map("a")));
        using var client = Client(broken.Url, server.Url);

        Assert.Equal("a", (await client.GetAsync<ConfigMap>("default", "a", Stop)).Metadata.Name);
        Assert.Single(broken.Seen);
    }

    [Fact]
    public async Task A_create_that_had_arrived_is_recognized_and_not_made_twice()
    {
        var stored = new Dictionary<string, ConfigMap>();
        async Task Handle(HttpContext http)
        {
            if (http.Request.Method == "GET")
            {
                await AnswerAsync(http, 200, stored["a"]);
                return;
            }

            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            var map = ModelJson.Read<ConfigMap>(body.ToArray());
            if (stored.TryAdd(map.Metadata.Name!, map))
            {
                map.Metadata.Uid = "u1";
                await AbortAsync(http);
                return;
            }

            await AnswerAsync(http, 409, new Status { Kind = "Status", Reason = "AlreadyExists", Code = 409, Message = "configmaps \"a\" already exists" });
        }

        await using var server = await TestServer.StartAsync(Handle);
        using var client = Client(server.Url);

        var created = await client.CreateAsync(Map("a"), Stop);

        Assert.Equal("u1", created.Metadata.Uid);
    }

    [Fact]
    public async Task A_create_whose_name_the_server_chooses_is_not_repeated()
    {
        await using var server = await TestServer.StartAsync(AbortAsync);
        using var client = Client(server.Url);
        var map = Map("x");
        map.Metadata.Name = null;
        map.Metadata.GenerateName = "x-";

        await Assert.ThrowsAsync<ApiUnavailableException>(() => client.CreateAsync(map, Stop));
        Assert.Single(server.Seen);
    }

    [Fact]
    public async Task A_busy_server_is_asked_again_when_it_says_so()
    {
        var calls = 0;
        await using var server = await TestServer.StartAsync(http =>
        {
            if (calls++ < 2)
            {
                http.Response.Headers.RetryAfter = "0";
                return AnswerAsync(http, 429, new Status { Kind = "Status", Reason = "TooManyRequests", Code = 429 });
            }

            return AnswerAsync(http, 200, Map("a"));
        });
        using var client = Client(server.Url);

        await client.GetAsync<ConfigMap>("default", "a", Stop);
        Assert.Equal(3, calls);
    }

    [Fact]
    public async Task A_refusal_carries_the_status_of_the_server()
    {
        await using var server = await TestServer.StartAsync(http =>
            AnswerAsync(http, 404, new Status { Kind = "Status", Reason = "NotFound", Code = 404, Message = "configmaps \"a\" not found" }));
        using var client = Client(server.Url);

        var refused = await Assert.ThrowsAsync<ApiException>(() => client.GetAsync<ConfigMap>("default", "a", Stop));
        Assert.True(refused.IsNotFound);
        Assert.Equal("configmaps \"a\" not found", refused.Message);
        Assert.Null(await client.FindAsync<ConfigMap>("default", "a", Stop));
        await client.DeleteAsync<ConfigMap>("default", "a", null, Stop);
    }

    [Fact]
    public async Task A_watch_yields_events_as_they_come_and_ends_with_the_connection()
    {
        var more = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(async http =>
        {
            await http.Response.WriteAsync(Event("ADDED", "a"));
            await http.Response.Body.FlushAsync();
            await more.Task;

            // Cut in the middle of a line, and more than one line at once.
            var rest = Event("MODIFIED", "a") + Event("BOOKMARK", "") + Event("DELETED", new string('x', 100_000));
            await http.Response.WriteAsync(rest[..50]);
            await http.Response.Body.FlushAsync();
            await http.Response.WriteAsync(rest[50..]);
        });
        using var client = Client(server.Url);

        var seen = new List<WatchEvent<ConfigMap>>();
        await foreach (var next in client.WatchAsync<ConfigMap>(null, new ListOptions { ResourceVersion = "5", LabelSelector = "a in (b,c)" }, Stop))
        {
            seen.Add(next);
            more.TrySetResult();
        }

        Assert.Equal([WatchEventType.Added, WatchEventType.Modified, WatchEventType.Bookmark, WatchEventType.Deleted], seen.Select(s => s.Type));
        Assert.Equal(100_000, seen[3].Object.Metadata.Name!.Length);
        Assert.Equal("GET /api/v1/configmaps?watch=true&allowWatchBookmarks=true&labelSelector=a%20in%20%28b%2Cc%29&resourceVersion=5", Assert.Single(server.Seen));
    }

    [Fact]
    public async Task A_watch_from_forgotten_history_fails_as_expired()
    {
        await using var server = await TestServer.StartAsync(http => http.Response.WriteAsync(
            """{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","message":"too old resource version: 1 (9)","code":410}}""" + "\n"));
        using var client = Client(server.Url);

        var expired = await Assert.ThrowsAsync<ApiException>(async () =>
        {
            await foreach (var _ in client.WatchAsync<ConfigMap>(null, new ListOptions { ResourceVersion = "1" }, Stop))
            {
                Assert.Fail("no event expected");
            }
        });
        Assert.True(expired.IsExpired);
    }

    [Fact]
    public async Task Mutual_tls_over_http2_verifies_the_server_and_names_the_client()
    {
        var pki = new TestPki();
        var (protocol, subject) = ("", "");
        await using var server = await TestServer.StartAsync(
            async http =>
            {
                (protocol, subject) = (http.Request.Protocol, (await http.Connection.GetClientCertificateAsync())?.Subject);
                await AnswerAsync(http, 200, Map("a"));
            },
            pki);
        using (var client = ApiClient.Create(pki.Options(server.Url, "alice"), NullLoggerFactory.Instance, TimeProvider.System, "test"))
        {
            await client.GetAsync<ConfigMap>("default", "a", Stop);
        }

        Assert.Equal("HTTP/2", protocol);
        Assert.Equal("CN=alice", subject);

        var strange = new TestPki().Options(server.Url, "alice");
        using var distrusting = ApiClient.Create(strange, NullLoggerFactory.Instance, TimeProvider.System, "test");
        await Assert.ThrowsAsync<ApiUnavailableException>(() => distrusting.GetAsync<ConfigMap>("default", "a", Stop));
    }

    [Fact]
    public async Task Replaced_certificate_files_are_used_for_new_connections()
    {
        var pki = new TestPki();
        var subjects = new List<string?>();
        await using var server = await TestServer.StartAsync(
            async http =>
            {
                subjects.Add((await http.Connection.GetClientCertificateAsync())?.Subject);
                await AnswerAsync(http, 200, Map("a"));
            },
            pki);
        var directory = Directory.CreateTempSubdirectory("trireme-client-");
        try
        {
            var (certificate, key) = (Path.Combine(directory.FullName, "c.crt"), Path.Combine(directory.FullName, "c.key"));
            var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
            Write("alice");
            var options = pki.Options(server.Url, "-") with { ClientCertificate = PemSource.FromFile(certificate), ClientKey = PemSource.FromFile(key) };
            using var client = ApiClient.Create(options, NullLoggerFactory.Instance, time, "test");
            await client.GetAsync<ConfigMap>("default", "a", Stop);
            Write("bob");
            File.SetLastWriteTimeUtc(certificate, DateTime.UtcNow.AddMinutes(1));
            time.Advance(TimeSpan.FromMinutes(1));
            await client.GetAsync<ConfigMap>("default", "a", Stop);
            Assert.Equal(["CN=alice", "CN=bob"], subjects);

            void Write(string name)
            {
                var issued = pki.Issue(name);
                File.WriteAllText(certificate, issued.Certificate);
                File.WriteAllText(key, issued.Key);
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(503)]
    [InlineData(504)]
    public async Task A_server_that_has_lost_its_store_is_left_for_another(int code)
    {
        await using var useless = await TestServer.StartAsync(http => AnswerAsync(http, code, new Status { Kind = "Status", Code = code }));
        await using var server = await TestServer.StartAsync(http => AnswerAsync(http, 200, Map("a")));
        using var client = Client(useless.Url, server.Url);

        await Assert.ThrowsAsync<ApiException>(() => client.UpdateAsync(Map("a"), Stop));
        await client.UpdateAsync(Map("a"), Stop);

        Assert.Single(useless.Seen);
    }

    [Fact]
    public async Task A_read_that_must_be_confirmed_is_not_answered_from_a_cache_that_the_store_did_not_confirm()
    {
        Task AnswerStaleAsync(HttpContext http)
        {
            http.Response.Headers.Append("Warning", "299 - \"v1 is old\"");
            http.Response.Headers.Append("Warning", $"299 - \"{StaleRead.Text}\"");
            return AnswerAsync(http, 200, Map("old"));
        }

        await using var cut = await TestServer.StartAsync(AnswerStaleAsync);
        await using var server = await TestServer.StartAsync(http => AnswerAsync(http, 200, Map("new")));
        using var alone = Client(cut.Url);
        using var both = Client(cut.Url, server.Url);

        Assert.Equal("old", (await alone.FindAsync<ConfigMap>("default", "a", Stop))!.Metadata.Name);
        await Assert.ThrowsAsync<ApiUnavailableException>(() => alone.Confirmed().FindAsync<ConfigMap>("default", "a", Stop));
        await Assert.ThrowsAsync<ApiUnavailableException>(() => alone.Confirmed().ListAsync<ConfigMap>("default", null, Stop));
        await Assert.ThrowsAsync<ApiUnavailableException>(() => alone.Confirmed().SendAsync(HttpMethod.Get, "/api/v1/namespaces/default/configmaps", null, null, Stop));
        await alone.Confirmed().UpdateAsync(Map("a"), Stop);
        Assert.Equal("new", (await both.Confirmed().FindAsync<ConfigMap>("default", "a", Stop))!.Metadata.Name);
    }

    [Fact]
    public async Task An_impatient_request_leaves_a_server_that_hangs_for_the_next_one_and_a_connection_that_hangs_for_a_new_one()
    {
        var stuck = "";
        async Task HangOnTheFirstConnectionAsync(HttpContext http)
        {
            if ((Interlocked.CompareExchange(ref stuck, http.Connection.Id, "") is var first && first.Length == 0) || first == http.Connection.Id)
            {
                await HangAsync(http);
            }
            else
            {
                await AnswerAsync(http, 200, Map("a"));
            }
        }

        await using var hung = await TestServer.StartAsync(HangAsync);
        await using var server = await TestServer.StartAsync(http => AnswerAsync(http, 200, Map("a")));
        await using var balanced = await TestServer.StartAsync(HangOnTheFirstConnectionAsync);
        using var two = Client(hung.Url, server.Url);
        using var one = Client(balanced.Url);

        await two.Impatient(TimeSpan.FromMilliseconds(200)).UpdateAsync(Map("a"), Stop);
        await one.Impatient(TimeSpan.FromMilliseconds(200)).UpdateAsync(Map("a"), Stop);
    }

    private static Task HangAsync(HttpContext http) =>
        Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);

    private static ApiClient Client(params Uri[] servers) =>
        ApiClient.Create(new ApiClientOptions { Servers = servers }, NullLoggerFactory.Instance, TimeProvider.System, "test");

    private static ConfigMap Map(string name) => new() { Metadata = new ObjectMeta { Namespace = "default", Name = name }, Data = new() { ["k"] = "v" } };

    private static string Event(string type, string name) =>
        $$"""{"type":"{{type}}","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"{{name}}","resourceVersion":"7"},"data":{"k":"v"} } }""" + "\n";

    private static async Task AnswerAsync<T>(HttpContext http, int code, T body)
        where T : IModel<T>
    {
        http.Response.StatusCode = code;
        http.Response.ContentType = "application/json";
        await http.Response.Body.WriteAsync(ModelJson.ToUtf8(body));
    }

    private static Task AbortAsync(HttpContext http)
    {
        http.Abort();
        return Task.CompletedTask;
    }
}
