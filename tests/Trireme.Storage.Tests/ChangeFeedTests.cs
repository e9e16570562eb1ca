using System.Runtime.CompilerServices;
using Microsoft.Extensions.Time.Testing;
using Trireme.Storage.Watching;
using Trireme.TestKit;

namespace Trireme.Storage.Tests;

public sealed class ChangeFeedTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<StoreEvent> _history = [];
    private readonly ChangeFeed _feed;
    private readonly CancellationTokenSource _deadline = Eventually.Deadline();
    private int _historyReads;

    public ChangeFeedTests() => _feed = new ChangeFeed(new Revision(10), ReadHistoryAsync, _time, capacity: 5);

    public void Dispose()
    {
        _feed.Dispose();
        _deadline.Dispose();
    }

    [Fact]
    public async Task A_follower_gets_the_changes_of_its_prefix()
    {
        await using var follower = await FollowAsync("/a/", 10);
        Publish(11, "/a/1");
        Publish(12, "/b/1");
        Publish(13, "/a/2", "/b/2", "/a/3");

        Assert.Equal("11: /a/1 13: /a/2 13: /a/3", await ReadToAsync(follower, 13));
        Assert.Equal(0, _historyReads);
    }

    [Fact]
    public async Task A_follower_that_fell_behind_reads_history_and_goes_on()
    {
        await using var follower = await FollowAsync("/a/", 10);
        for (var i = 11; i <= 30; i++)
        {
            Publish(i, i % 2 == 0 ? $"/a/{i}" : $"/b/{i}");
        }

        var text = await ReadToAsync(follower, 30);

        Assert.Equal(string.Join(' ', Enumerable.Range(11, 20).Where(i => i % 2 == 0).Select(i => $"{i}: /a/{i}")), text);
        Assert.Equal(1, _historyReads);
    }

    [Fact]
    public async Task A_follower_may_start_in_history()
    {
        _history.Add(Change(8, "/a/old"));
        _history.Add(Change(9, "/a/older"));

        await using var follower = _feed.FollowAsync("/a/", new Revision(7), _deadline.Token).GetAsyncEnumerator();

        Assert.Equal("8: /a/old 9: /a/older", await ReadToAsync(follower, 10));
    }

    [Fact]
    public async Task A_revision_that_is_larger_than_the_ring_is_still_delivered_whole()
    {
        await using var follower = await FollowAsync("/", 10);
        Publish(11, "/1", "/2", "/3", "/4", "/5", "/6");
        Publish(12, "/7");

        Assert.Equal("11: /1 11: /2 11: /3 11: /4 11: /5 11: /6 12: /7", await ReadToAsync(follower, 12));
    }

    [Fact]
    public async Task A_follower_that_waits_does_not_fall_behind_by_changes_of_others()
    {
        await using var follower = await FollowAsync("/a/", 10);
        var next = follower.MoveNextAsync().AsTask();
        for (var i = 11; i <= 100; i++)
        {
            Publish(i, "/b/x");
        }

        Assert.False(next.IsCompleted);
        _feed.RequestProgress(new Revision(100));
        Assert.True(await next);
        Assert.Equal(new Revision(100), follower.Current.Revision);
        Assert.Empty(follower.Current.Events);
        Assert.Equal(0, _historyReads);
    }

    [Fact]
    public async Task Progress_that_was_wanted_before_the_feed_came_so_far_is_reported_when_it_does()
    {
        await using var follower = await FollowAsync("/a/", 10);
        var next = follower.MoveNextAsync().AsTask();
        _feed.RequestProgress(new Revision(12));
        Publish(11, "/b/x");
        Assert.False(next.IsCompleted);
        Publish(12, "/b/x");

        Assert.True(await next);
        Assert.Equal(new Revision(12), follower.Current.Revision);
    }

    [Fact]
    public async Task An_idle_follower_hears_of_its_progress_every_interval()
    {
        await using var follower = await FollowAsync("/a/", 10);
        for (var i = 0; i < 3; i++)
        {
            var next = follower.MoveNextAsync().AsTask();
            Assert.False(next.IsCompleted);
            _time.Advance(ChangeFeed.ProgressInterval);
            Assert.True(await next);
            Assert.Equal(new Revision(10), follower.Current.Revision);
        }
    }

    [Fact]
    public async Task A_follower_from_the_future_reports_nothing_before_the_feed_is_there()
    {
        await using var follower = _feed.FollowAsync("/", new Revision(12), _deadline.Token).GetAsyncEnumerator();
        var next = follower.MoveNextAsync().AsTask();
        _time.Advance(ChangeFeed.ProgressInterval);
        Publish(11, "/1");
        Publish(12, "/2");
        Publish(13, "/3");

        Assert.True(await next);
        Assert.Equal("13: /3", await ReadToAsync(follower, 13, alreadyMoved: true));
    }

    [Fact]
    public async Task After_a_restart_followers_fetch_what_was_missed()
    {
        await using var follower = await FollowAsync("/", 10);
        var next = follower.MoveNextAsync().AsTask();
        _history.Add(Change(15, "/missed"));
        _feed.Restart(new Revision(20));
        Publish(21, "/new");

        Assert.True(await next);
        Assert.Equal("15: /missed 21: /new", await ReadToAsync(follower, 21, alreadyMoved: true));
    }

    [Fact]
    public async Task A_failed_feed_ends_its_followers()
    {
        await using var follower = await FollowAsync("/", 10);
        var next = follower.MoveNextAsync().AsTask();
        _feed.Fail(new StoreCompactedException(new Revision(3)));

        await Assert.ThrowsAsync<StoreCompactedException>(() => next);
    }

    private static StoreEvent Change(long revision, string key) => new(
        key, new StoredEntry(key, default, new Revision(revision), new Revision(revision)), new Revision(revision));

    private static async Task<string> ReadToAsync(IAsyncEnumerator<WatchBatch> follower, long revision, bool alreadyMoved = false)
    {
        var text = new List<string>();
        while (alreadyMoved || await follower.MoveNextAsync())
        {
            alreadyMoved = false;
            text.AddRange(follower.Current.Events.Select(e => $"{e.Revision}: {e.Key}"));
            if (follower.Current.Revision.Value >= revision)
            {
                break;
            }
        }

        return string.Join(' ', text);
    }

    private void Publish(long revision, params string[] keys)
    {
        var changes = keys.Select(k => Change(revision, k)).ToArray();
        _history.AddRange(changes);
        _feed.Publish(changes, new Revision(revision));
    }

    /// <summary>Follows, past the report with which every follower begins.</summary>
    private async Task<IAsyncEnumerator<WatchBatch>> FollowAsync(string prefix, long after)
    {
        var follower = _feed.FollowAsync(prefix, new Revision(after), _deadline.Token).GetAsyncEnumerator();
        Assert.True(await follower.MoveNextAsync());
        Assert.Empty(follower.Current.Events);
        return follower;
    }

    private async IAsyncEnumerable<WatchBatch> ReadHistoryAsync(
        string prefix, Revision after, Revision upTo, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _historyReads++;
        await Task.Yield();
        var events = _history
            .Where(e => e.Revision > after && e.Revision <= upTo && e.Key.StartsWith(prefix, StringComparison.Ordinal)).ToArray();
        yield return new WatchBatch(events, upTo);
    }
}
