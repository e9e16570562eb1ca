using Trireme.Storage;
using Xunit;

namespace Trireme.TestKit.Storage;

public abstract partial class RevisionedStoreContract
{
    [Fact]
    public async Task Compaction_keeps_the_newest_value_of_each_key_and_everything_behind_it()
    {
        await PutAsync("/a", "1");
        await PutAsync("/b", "1");
        var deleted = await PutAsync("/gone", "1");
        await DeleteAsync("/gone");
        var at = await PutAsync("/a", "2");
        var later = await PutAsync("/b", "2");

        await Store.CompactAsync(at, Cancelled);

        Assert.Equal("/a=2 /b=1", await ListTextAsync(new ListRequest("/", at)));
        Assert.Equal("/a=2 /b=2", await ListTextAsync(new ListRequest("/", later)));
        Assert.Equal("/a=2 /b=2", await ListTextAsync(new ListRequest("/")));
        Assert.Equal("-", Text((await Store.GetAsync("/gone", cancellationToken: Cancelled)).Entry));
        Assert.True(deleted < at);
    }

    [Fact]
    public async Task Reading_and_watching_compacted_history_is_refused()
    {
        var old = await PutAsync("/a", "1");
        await PutAsync("/a", "2");
        var at = await PutAsync("/a", "3");
        var last = await PutAsync("/a", "4");
        await Store.CompactAsync(at, Cancelled);

        await Assert.ThrowsAsync<StoreCompactedException>(async () => await Store.GetAsync("/a", old, Cancelled));
        await Assert.ThrowsAsync<StoreCompactedException>(
            async () => await Store.ListAsync(new ListRequest("/", old), Cancelled));
        await Assert.ThrowsAsync<StoreCompactedException>(
            async () => await Store.ListAsync(new ListRequest("/", old, 10, "/a"), Cancelled));
        var error = await Assert.ThrowsAsync<StoreCompactedException>(() => WatchToAsync("/", old, last));
        Assert.True(error.Compacted >= at);
        await Assert.ThrowsAsync<StoreCompactedException>(() => WatchToAsync("/", new Revision(at.Value - 1), last));
        await Assert.ThrowsAsync<StoreCompactedException>(() => WatchToAsync("/", Revision.None, last));

        var (changes, _) = await WatchToAsync("/", at, last);
        Assert.Equal(["/a=4"], changes.Select(Show));
    }

    [Fact]
    public async Task Compacting_again_does_nothing_and_a_running_watch_goes_on()
    {
        var start = await PutAsync("/a", "0");
        using var deadline = Eventually.Deadline();
        await using var watch = Store.WatchAsync("/a", start, deadline.Token).GetAsyncEnumerator(deadline.Token);
        for (var i = 1; i <= 5; i++)
        {
            var revision = await PutAsync("/a", $"{i}");
            do
            {
                Assert.True(await watch.MoveNextAsync());
            }
            while (watch.Current.Events.Count == 0);

            Assert.Equal($"/a={i}", Show(Assert.Single(watch.Current.Events)));
            await Store.CompactAsync(revision, Cancelled);
            await Store.CompactAsync(revision, Cancelled);
            await Store.CompactAsync(start, Cancelled);
        }
    }

    [Fact]
    public async Task Compaction_beside_writers_and_readers_loses_nothing()
    {
        var callers = 4;
        var each = Math.Max(5, Effort / 40);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var compactor = Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    await Store.CompactAsync(await Store.CurrentRevisionAsync(Cancelled), Cancelled);
                }
            },
            Cancelled);
        await PutAsync("/k/fixed", "always here");
        await Task.WhenAll(Enumerable.Range(0, callers).Select(n => Task.Run(
            async () =>
            {
                for (var i = 0; i < each; i++)
                {
                    await IncrementAsync("/k/counter");
                    await DeleteAsync($"/k/{n}");
                    await PutAsync($"/k/{n}", $"{i}");
                    var list = await Store.ListAsync(new ListRequest("/k/"), Cancelled);
                    Assert.Contains(list.Entries, e => e.Key == "/k/fixed");
                    Assert.Contains(list.Entries, e => e.Key == $"/k/{n}" && Text(e) == $"{i}");
                }
            },
            Cancelled)));
        await stop.CancelAsync();
        await compactor;

        Assert.Equal(
            $"{callers * each}", Text((await Store.GetAsync("/k/counter", cancellationToken: Cancelled)).Entry));
    }
}
