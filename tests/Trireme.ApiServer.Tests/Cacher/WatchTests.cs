using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Primitives;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Schema;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Tests.Pipeline;
using Trireme.Storage;
using Trireme.Storage.InMemory;

namespace Trireme.ApiServer.Tests.Cacher;

public sealed class WatchTests
{
    [Fact]
    public async Task A_watch_from_a_version_gets_everything_after_it_in_order()
    {
        await using var cache = new CacheHarness();
        var first = await cache.PutAsync("a");
        var second = await cache.PutAsync("b");
        await cache.ListAsync();
        await using var watch = cache.Watch($"resourceVersion={first}");
        var third = await cache.PutAsync("a");
        var fourth = await cache.DeleteAsync("b");

        Assert.Equal($"ADDED b {second}", await watch.NextTextAsync());
        Assert.Equal($"MODIFIED a {third}", await watch.NextTextAsync());
        Assert.Equal($"DELETED b {fourth}", await watch.NextTextAsync());
    }

    [Fact]
    public async Task A_watch_without_a_version_begins_with_what_there_is()
    {
        await using var cache = new CacheHarness();
        var a = await cache.PutAsync("a");
        var b = await cache.PutAsync("b");
        await using var watch = cache.Watch("");

        Assert.Equal($"ADDED a {a}", await watch.NextTextAsync());
        Assert.Equal($"ADDED b {b}", await watch.NextTextAsync());
        var c = await cache.PutAsync("c");
        Assert.Equal($"ADDED c {c}", await watch.NextTextAsync());
    }

    [Fact]
    public async Task Initial_events_end_with_an_annotated_bookmark()
    {
        await using var cache = new CacheHarness();
        var a = await cache.PutAsync("a");
        await using var watch = cache.Watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");

        Assert.Equal($"ADDED a {a}", await watch.NextTextAsync());
        var bookmark = await watch.NextAsync();
        Assert.Equal("BOOKMARK", bookmark!.Value.Type);
        Assert.Equal("true", bookmark.Value.Object.GetProperty("metadata").GetProperty("annotations").GetProperty("k8s.io/initial-events-end").GetString());
        Assert.Equal("Pod", bookmark.Value.Object.GetProperty("kind").GetString());
        Assert.True(long.Parse(bookmark.Value.Object.Version()) >= a.Value);
    }

    [Fact]
    public async Task An_object_that_begins_or_ceases_to_match_is_added_or_deleted()
    {
        await using var cache = new CacheHarness();
        var start = await cache.PutAsync("a");
        await cache.ListAsync();
        await using var labels = cache.Watch($"resourceVersion={start}&labelSelector=app%3Dweb");
        await using var fields = cache.Watch($"resourceVersion={start}&fieldSelector=spec.nodeName%3Dn1");
        var matches = await cache.PutAsync("a", labels: "\"app\":\"web\"", node: "n1");
        var changes = await cache.PutAsync("a", labels: "\"app\":\"web\",\"x\":\"y\"", node: "n1");
        var ceases = await cache.PutAsync("a", labels: "\"app\":\"db\"", node: "n2");
        await cache.PutAsync("a", labels: "\"app\":\"other\"");
        await cache.PutAsync("b", labels: "\"app\":\"web\"", node: "n1");

        foreach (var watch in (WatchClient[])[labels, fields])
        {
            Assert.Equal($"ADDED a {matches}", await watch.NextTextAsync());
            Assert.Equal($"MODIFIED a {changes}", await watch.NextTextAsync());
            var gone = await watch.NextAsync();
            Assert.Equal(("DELETED", ceases.ToString()), (gone!.Value.Type, gone.Value.Object.Version()));
            Assert.Equal("n1", gone.Value.Object.GetProperty("spec").GetProperty("nodeName").GetString());
            Assert.Equal("b", (await watch.NextAsync())!.Value.Object.Name());
        }
    }

    [Fact]
    public async Task An_observer_that_fails_ends_nobodys_watch()
    {
        await using var cache = new CacheHarness();
        var first = await cache.PutAsync("a");
        await cache.ListAsync();
        cache.Pods.Subscribe(new BrokenObserver());
        await using var watch = cache.Watch($"resourceVersion={first}");
        var second = await cache.PutAsync("b");
        var third = await cache.DeleteAsync("a");

        Assert.Equal($"ADDED b {second}", await watch.NextTextAsync());
        Assert.Equal($"DELETED a {third}", await watch.NextTextAsync());
    }

    [Fact]
    public async Task No_bookmark_is_sent_while_the_store_does_not_confirm_it()
    {
        await using var inner = new InMemoryStore();
        var store = new UnreliableStore(inner);
        var time = new FakeTimeProvider();
        var reflector = new Reflector(store, "/registry/", time, NullLogger<Reflector>.Instance);
        var resource = new CachedResource(BuiltInResources.Get("v1", "Pod"), "/registry/");
        var pods = reflector.Add(resource);
        using var stop = new CancellationTokenSource();
        var running = reflector.RunAsync(stop.Token);
        await pods.Filled;
        var everything = ObjectFilter.Create(resource, new RequestInfo { IsResourceRequest = true, Path = "", Verb = "watch" });
        using var watcher = pods.WatchFromNow(everything, bookmarks: true).Watcher;

        store.IsDown = true;
        time.Advance(TimeSpan.FromMinutes(2));
        await reflector.TendAsync(CancellationToken.None);
        Assert.False(watcher.TryRead(out _));
        store.IsDown = false;
        await reflector.TendAsync(CancellationToken.None);
        Assert.True(watcher.TryRead(out var bookmark));
        Assert.Equal(WatchEventType.Bookmark, bookmark.Type);
        await stop.CancelAsync();
        await running;
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("0", null)]
    [InlineData("5", 5L)]
    [InlineData("9223372036854775807", 86400L)]
    public void A_watch_lasts_as_long_as_was_asked_within_reason(string given, long? seconds) => Assert.Equal(
        seconds,
        (long?)ReadOptions.Parse(new QueryCollection(new Dictionary<string, StringValues> { ["timeoutSeconds"] = given }), watch: true).Timeout?.TotalSeconds);

    [Fact]
    public async Task In_an_outage_only_the_first_reads_wait_long()
    {
        await using var inner = new InMemoryStore();
        var store = new UnreliableStore(inner);
        var time = new FakeTimeProvider();
        var reflector = new Reflector(store, "/registry/", time, NullLogger<Reflector>.Instance);
        var pods = reflector.Add(new CachedResource(BuiltInResources.Get("v1", "Pod"), "/registry/"));
        using var stop = new CancellationTokenSource();
        var running = reflector.RunAsync(stop.Token);
        await pods.Filled;
        var reads = new ConsistentReads(store, reflector, time);
        store.IsDown = true;
        Assert.False(await reads.ConfirmAsync(CancellationToken.None));

        store.IsDown = false;
        var answers = new TaskCompletionSource();
        store.AnswersGoOn = answers.Task;
        var read = reads.ConfirmAsync(CancellationToken.None).AsTask();
        time.Advance(ConsistentReads.OutagePatience);
        Assert.False(await read);

        answers.SetResult();
        Assert.True(await reads.ConfirmAsync(CancellationToken.None));
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task A_watch_of_a_namespace_sees_no_other()
    {
        await using var cache = new CacheHarness();
        await using var watch = cache.Watch("resourceVersion=1", ns: "blue");
        await cache.PutAsync("a", ns: "red");
        var b = await cache.PutAsync("b", ns: "blue");

        Assert.Equal($"ADDED b {b}", await watch.NextTextAsync());
    }

    [Fact]
    public async Task A_version_older_than_history_is_answered_with_an_expired_error_event()
    {
        var store = new Trireme.Storage.InMemory.InMemoryStore();
        await store.CommitAsync(Transaction.Create(CacheHarness.Key("a"), CacheHarness.Pod("a")), TestContext.Current.CancellationToken);
        var newest = await store.CommitAsync(Transaction.Create(CacheHarness.Key("b"), CacheHarness.Pod("b")), TestContext.Current.CancellationToken);
        await store.CompactAsync(newest.Revision, TestContext.Current.CancellationToken);
        await using var cache = new CacheHarness(store);
        await cache.ListAsync();
        await using var watch = cache.Watch($"resourceVersion={newest.Revision.Value - 1}");

        var error = await watch.NextAsync();
        Assert.Equal("ERROR", error!.Value.Type);
        Assert.Equal(("Expired", 410), (error.Value.Object.GetProperty("reason").GetString(), error.Value.Object.GetProperty("code").GetInt32()));
        Assert.Null(await watch.NextAsync());
    }

    [Fact]
    public async Task A_server_that_restarts_can_resume_the_watches_of_before()
    {
        var store = new Trireme.Storage.InMemory.InMemoryStore();
        Revision seen = default, missed = default;
        await store.CommitAsync(Transaction.Create(CacheHarness.Key("a"), CacheHarness.Pod("a")), TestContext.Current.CancellationToken);
        seen = (await store.CommitAsync(Transaction.Create(CacheHarness.Key("b"), CacheHarness.Pod("b")), TestContext.Current.CancellationToken)).Revision;
        missed = (await store.CommitAsync(Transaction.Create(CacheHarness.Key("c"), CacheHarness.Pod("c")), TestContext.Current.CancellationToken)).Revision;
        await using var restarted = new CacheHarness(store);
        await using var watch = restarted.Watch($"resourceVersion={seen}");

        Assert.Equal($"ADDED c {missed}", await watch.NextTextAsync());
    }

    [Fact]
    public async Task A_server_that_starts_shows_nobody_the_past_from_which_its_watches_can_be_resumed()
    {
        var begin = new TaskCompletionSource();
        var store = new StallingStore { WatchesBegin = begin.Task };
        await store.CommitAsync(Transaction.Create(CacheHarness.Key("old"), CacheHarness.Pod("old")), TestContext.Current.CancellationToken);
        await using var cache = new CacheHarness(store);

        var list = cache.ListAsync("resourceVersion=0");
        await cache.Reflector.WaitForAsync(new Revision(1), TestContext.Current.CancellationToken);
        Assert.False(cache.Pods.Filled.IsCompleted);
        begin.SetResult();

        Assert.Equal("old", (await list).Body.GetProperty("items")[0].GetProperty("metadata").GetProperty("name").GetString());
    }

    [Fact]
    public async Task A_slow_client_is_ended_and_loses_no_event_before_that()
    {
        await using var cache = new CacheHarness();
        await cache.ListAsync();
        await using var watch = cache.Watch("resourceVersion=1");
        var count = WatchCache.WatcherQueueMax + 5000;
        for (var i = 0; i < count; i += 100)
        {
            await cache.Store.CommitAsync(new Transaction(
                [],
                [.. Enumerable.Range(i, 100).Select(n => Operation.Put(CacheHarness.Key($"p{n:D6}"), CacheHarness.Pod($"p{n:D6}", padding: 100)))]), TestContext.Current.CancellationToken);
        }

        await cache.ListAsync();
        var next = 0;
        while (await watch.NextAsync() is { } received)
        {
            Assert.Equal($"p{next:D6}", received.Object.Name());
            next++;
        }

        Assert.InRange(next, WatchCache.WatcherQueueMax, count - 1);
        await watch.Answer;
        Assert.Equal(0, cache.Pods.WatcherCount);
    }

    [Fact]
    public async Task A_watch_ends_when_its_time_is_up()
    {
        await using var cache = new CacheHarness();
        await using var watch = cache.Watch("resourceVersion=1&timeoutSeconds=1");
        Assert.Equal("END", await watch.NextTextAsync());
        await watch.Answer;
    }

    [Theory]
    [InlineData("resourceVersionMatch=NotOlderThan")]
    [InlineData("sendInitialEvents=true")]
    [InlineData("fieldSelector=spec.nonsense%3Da")]
    [InlineData("labelSelector=a%3D%3D%3Db")]
    public async Task Wrong_options_are_refused(string query)
    {
        await using var cache = new CacheHarness();
        await using var watch = cache.Watch(query);
        await Assert.ThrowsAsync<Trireme.ApiServer.Pipeline.ApiStatusException>(() => watch.Answer);
    }

    [Fact]
    public async Task After_compaction_the_cache_lists_again_and_watches_end()
    {
        var store = new StallingStore();
        await using var cache = new CacheHarness(store);
        await cache.PutAsync("a");
        await cache.ListAsync();
        await using var watch = cache.Watch("resourceVersion=1");
        Assert.Equal("a", (await watch.NextAsync())!.Value.Object.Name());

        await cache.PutAsync("b");
        store.FailWatch(new StoreCompactedException(new Revision(2)));
        var (_, list) = await cache.ListAsync();
        Assert.Equal(["a", "b"], list.Names());
        while (await watch.NextAsync() is not null)
        {
            // What was delivered before the new list is the client's; then its watch ends.
        }
    }

    [Fact]
    public async Task Without_the_store_reads_are_answered_and_marked_as_stale()
    {
        var store = new StallingStore();
        await using var cache = new CacheHarness(store);
        await cache.PutAsync("a");
        await cache.ListAsync();
        store.Unavailable = true;

        var (http, list) = await cache.ListAsync();
        Assert.Equal(["a"], list.Names());
        Assert.StartsWith("299 - \"served from cache", http.Response.Headers["Warning"].ToString(), StringComparison.Ordinal);
        var (any, _) = await cache.ListAsync("resourceVersion=0");
        Assert.False(any.Response.Headers.ContainsKey("Warning"));
    }

    private sealed class BrokenObserver : ICacheObserver
    {
        public void OnSet(CacheEntry entry) => throw new FormatException("cannot read this");

        public void OnDeleted(CacheEntry entry) => throw new FormatException("cannot read this");

        public void OnSynced()
        {
        }
    }
}
