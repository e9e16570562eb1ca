using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client.Informers;
using Trireme.TestKit.Client;

namespace Trireme.Client.Tests.Informers;

public sealed class SharedInformerTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly FakeApiClient _api;
    private readonly InformerFactory _factory;
    private readonly List<string> _log = [];
    private Task _running = Task.CompletedTask;

    public SharedInformerTests()
    {
        _api = new FakeApiClient(_time);
        _factory = new InformerFactory(_api, NullLoggerFactory.Instance, _time, new Random(1));
    }

    [Fact]
    public async Task The_copy_follows_the_api_and_handlers_hear_of_each_change()
    {
        _api.Seed(Map("a", "1"));
        var informer = Start();
        await informer.WaitForSyncAsync(_stop.Token);
        _api.Seed(Map("a", "2"));
        _api.Seed(Map("b", "1"));
        _api.Remove<ConfigMap>("ns", "a");

        await UntilAsync(() => Log().Count == 4);
        Assert.Equal(["+a1", "a1>2", "+b1", "-a"], Log());
        Assert.Equal(["b"], informer.Indexer.List().Select(m => m.Metadata.Name));
        Assert.Null(informer.Indexer.Get("ns", "a"));
    }

    [Fact]
    public async Task A_handler_that_comes_late_hears_of_everything_that_is_there()
    {
        _api.Seed(Map("a", "1"));
        var informer = Start();
        await informer.WaitForSyncAsync(_stop.Token);

        var late = new List<string>();
        informer.AddEventHandler(new ResourceEventHandler<ConfigMap>(m => late.Add(m.Metadata.Name!)));

        Assert.Equal(["a"], late);
    }

    [Fact]
    public async Task A_broken_watch_goes_on_where_it_was()
    {
        var informer = Start();
        await informer.WaitForSyncAsync(_stop.Token);
        _api.Unreachable = true;
        _api.Seed(Map("a", "1"));
        _api.Unreachable = false;

        await UntilAsync(() => informer.Indexer.Get("ns", "a") is not null);
        Assert.Single(_api.Requests, r => r.Verb == "list");
    }

    [Fact]
    public async Task Forgotten_history_is_made_up_for_by_a_new_list()
    {
        _api.Seed(Map("a", "1"));
        _api.Seed(Map("b", "1"));
        var informer = Start();
        await informer.WaitForSyncAsync(_stop.Token);
        _api.Unreachable = true;
        _api.Remove<ConfigMap>("ns", "a");
        _api.Seed(Map("b", "2"));
        _api.Seed(Map("c", "1"));
        _api.Compact();
        _api.Unreachable = false;

        await UntilAsync(() => informer.Indexer.Get("ns", "c") is not null && informer.Indexer.Get("ns", "a") is null);
        Assert.Equal(["+a1", "+b1", "+c1", "-a", "b1>2"], Log().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_bookmark_moves_the_point_from_which_a_watch_resumes()
    {
        var informer = Start();
        await informer.WaitForSyncAsync(_stop.Token);
        _api.Seed(new Secret { Metadata = new ObjectMeta { Namespace = "ns", Name = "s" } });
        await UntilAsync(() => _api.Requests.Any(r => r.Verb == "watch"));
        _api.Compact();
        _api.SendBookmarks();
        await Task.Delay(50, TestContext.Current.CancellationToken);
        _api.CloseWatches();
        _api.Seed(Map("a", "1"));

        await UntilAsync(() => informer.Indexer.Get("ns", "a") is not null);
        Assert.Single(_api.Requests, r => r.Verb == "list");
    }

    [Fact]
    public async Task A_silent_watch_is_opened_again()
    {
        var informer = Start();
        await informer.WaitForSyncAsync(_stop.Token);
        await UntilAsync(() => _api.Requests.Count(r => r.Verb == "watch") == 1);

        await UntilAsync(() => _api.Requests.Count(r => r.Verb == "watch") >= 2, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task An_api_that_is_away_is_asked_with_growing_pauses()
    {
        _api.Unreachable = true;
        var informer = Start();
        for (var i = 0; i < 600; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }

        await UntilAsync(() => _api.Requests.Count > 3);
        Assert.InRange(_api.Requests.Count, 4, 100);
        _api.Unreachable = false;
        await UntilAsync(() => informer.HasSynced, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Indices_find_objects_by_what_they_say()
    {
        var informer = Start(i => i.Indexer.AddIndex("value", m => [m.Data!["v"]]));
        _api.Seed(Map("a", "1"));
        _api.Seed(Map("b", "1"));
        await UntilAsync(() => informer.Indexer.ByIndex("value", "1").Count == 2);
        _api.Seed(Map("a", "2"));

        await UntilAsync(() => informer.Indexer.ByIndex("value", "2").Count == 1);
        Assert.Equal("b", Assert.Single(informer.Indexer.ByIndex("value", "1")).Metadata.Name);
        Assert.Empty(informer.Indexer.ByIndex("value", "3"));
        Assert.Equal(2, informer.Indexer.List("ns").Count);
        Assert.Empty(informer.Indexer.List("other"));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private ISharedInformer<ConfigMap> Start(Action<ISharedInformer<ConfigMap>>? prepare = null)
    {
        var informer = _factory.For<ConfigMap>();
        prepare?.Invoke(informer);
        informer.AddEventHandler(new ResourceEventHandler<ConfigMap>(
            m => Note($"+{m.Metadata.Name}{m.Data!["v"]}"),
            (o, n) => Note($"{n.Metadata.Name}{o.Data!["v"]}>{n.Data!["v"]}"),
            m => Note($"-{m.Metadata.Name}")));
        _running = _factory.RunAsync(_stop.Token);
        return informer;
    }

    private void Note(string what)
    {
        lock (_log)
        {
            _log.Add(what);
        }
    }

    private List<string> Log()
    {
        lock (_log)
        {
            return [.. _log];
        }
    }

    private async Task UntilAsync(Func<bool> holds, TimeSpan? step = null)
    {
        for (var i = 0; i < 1000; i++)
        {
            if (holds())
            {
                return;
            }

            _time.Advance(step ?? TimeSpan.FromMilliseconds(10));
            await Task.Delay(3);
        }

        Assert.Fail("Did not come to hold");
    }

    private static ConfigMap Map(string name, string value) => new() { Metadata = new ObjectMeta { Namespace = "ns", Name = name }, Data = new() { ["v"] = value } };
}
