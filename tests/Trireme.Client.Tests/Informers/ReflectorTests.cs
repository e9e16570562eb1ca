using System.Net;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client.Informers;

namespace Trireme.Client.Tests.Informers;

/// <summary>What the servers say is played answer by answer; what is asked shows in <see cref="_asked"/>.</summary>
public sealed class ReflectorTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<Func<object>> _answers = Channel.CreateUnbounded<Func<object>>();
    private readonly List<string> _asked = [];
    private readonly SharedInformer<ConfigMap> _informer;
    private readonly Task _running;

    public ReflectorTests()
    {
        _informer = new SharedInformer<ConfigMap>(new Script(this), new ListOptions(), NullLogger.Instance, _time, new Random(1));
        _running = _informer.RunAsync(_stop.Token);
    }

    [Fact]
    public async Task Nothing_that_goes_wrong_ends_an_informer()
    {
        Answer(() => throw new InvalidOperationException("a bug"));
        Answer(() => throw new FormatException("no time"));
        Answer(() => List("10", "a"));
        Answer(() => throw new InvalidOperationException("a bug in the watch"));
        Answer(() => List("11", "a", "b"));

        await HoldsAsync("a", "b");
        Assert.Equal(["list 0", "list 0", "list 0", "watch 10", "list 10", "watch 11"], await AskedAsync(6));
    }

    [Fact]
    public async Task A_list_that_is_older_than_what_was_seen_is_not_believed()
    {
        Answer(() => List("10", "a"));
        Answer(Expired);
        Answer(() => List("7"));
        Answer(() => List("12", "b"));

        await HoldsAsync("b");
        Assert.Equal(["list 0", "watch 10", "list 10", "list 10", "watch 12"], await AskedAsync(5));
    }

    [Fact]
    public async Task A_server_that_has_not_come_so_far_is_asked_again_before_the_newest_is_taken_which_the_store_must_confirm()
    {
        Answer(() => List("10", "a"));
        Answer(Expired);
        Answer(TooNew);
        Answer(TooNew);
        Answer(TooNew);
        Answer(() => throw new ApiUnavailableException("not confirmed"));
        Answer(TooNew);
        await AskedAsync(7);
        await HoldsAsync("a");

        // The servers were restored: the store itself says that it is at an older version.
        Answer(TooNew);
        Answer(TooNew);
        Answer(() => List("3", "b"));

        await HoldsAsync("b");
        Assert.Equal(
            ["list 0", "watch 10", "list 10", "list 10", "list 10", "list newest confirmed", "list 10", "list 10", "list 10", "list newest confirmed", "watch 3"],
            await AskedAsync(11));
    }

    [Fact]
    public async Task A_watch_from_a_version_that_servers_no_longer_have_ends_in_a_list()
    {
        Answer(() => List("10", "a"));
        Answer(TooNew);
        Answer(TooNew);
        Answer(TooNew);
        Answer(() => List("4", "b"));

        await HoldsAsync("b");
        Assert.Equal(["list 0", "watch 10", "watch 10", "watch 10", "list newest confirmed", "watch 4"], await AskedAsync(6));
    }

    [Fact]
    public async Task An_index_that_fails_for_an_object_leaves_it_out_of_the_index_only()
    {
        _informer.Indexer.AddIndex("value", m => [m.Data!["v"]]);
        Answer(() => List("10", "a"));

        await HoldsAsync("a");
        Assert.Empty(_informer.Indexer.ByIndex("value", "1"));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private static KubernetesList<ConfigMap> List(string version, params string[] names) => new()
    {
        Metadata = new ListMeta { ResourceVersion = version },
        Items = [.. names.Select(n => new ConfigMap { Metadata = new ObjectMeta { Namespace = "ns", Name = n, ResourceVersion = version } })],
    };

    private static object Expired() => throw Refused(HttpStatusCode.Gone);

    private static object TooNew() => throw Refused(HttpStatusCode.GatewayTimeout);

    private static ApiException Refused(HttpStatusCode code) => new(code, new Status { Kind = "Status", Code = (int)code });

    private void Answer(Func<object> answer) => _answers.Writer.TryWrite(answer);

    private Task HoldsAsync(params string[] names) => UntilAsync(() => _informer.Indexer.List().Select(m => m.Metadata.Name).Order(StringComparer.Ordinal).SequenceEqual(names));

    private async Task<IReadOnlyList<string>> AskedAsync(int count)
    {
        await UntilAsync(() => Asked().Count >= count);
        return Asked();
    }

    private List<string> Asked()
    {
        lock (_asked)
        {
            return [.. _asked];
        }
    }

    private async Task UntilAsync(Func<bool> holds)
    {
        for (var i = 0; i < 3000; i++)
        {
            if (holds())
            {
                return;
            }

            // Not so far that a watch which waits for its answer is taken for a silent one.
            _time.Advance(i < 100 ? TimeSpan.FromMilliseconds(500) : TimeSpan.Zero);
            await Task.Delay(3);
        }

        Assert.Fail($"Did not come to hold; asked: {string.Join(", ", Asked())}");
    }

    private async Task<object> AskAsync(string what, CancellationToken cancellationToken)
    {
        lock (_asked)
        {
            _asked.Add(what);
        }

        return (await _answers.Reader.ReadAsync(cancellationToken))();
    }

    private sealed class Script(ReflectorTests test) : IListWatch<ConfigMap>
    {
        public ResourceInfo Resource => ConfigMap.Resource;

        public async Task<KubernetesList<ConfigMap>> ListAsync(ListOptions options, bool confirmed, CancellationToken cancellationToken) =>
            (KubernetesList<ConfigMap>)await test.AskAsync($"list {options.ResourceVersion ?? "newest"}{(confirmed ? " confirmed" : "")}", cancellationToken);

        public async IAsyncEnumerable<WatchEvent<ConfigMap>> WatchAsync(ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            yield return (WatchEvent<ConfigMap>)await test.AskAsync($"watch {options.ResourceVersion}", cancellationToken);
        }
    }
}
