using System.Threading.Channels;
using Trireme.Storage;
using Xunit;

namespace Trireme.TestKit.Storage;

public abstract partial class RevisionedStoreContract
{
    [Fact]
    public async Task A_watch_reports_puts_and_deletes_of_its_prefix_in_order()
    {
        var start = await Store.CurrentRevisionAsync(Cancelled);
        var one = await PutAsync("/w/a", "1");
        await PutAsync("/x/a", "other");
        var two = await PutAsync("/w/a", "2");
        var three = await DeleteAsync("/w/a");

        var (changes, _) = await WatchToAsync("/w/", start, three);

        Assert.Equal(["/w/a=1", "/w/a=2", "/w/a=-"], changes.Select(Show));
        Assert.Equal([one, two, three], changes.Select(c => c.Revision));
        Assert.Equal((one, two), (changes[1].Entry!.CreateRevision, changes[1].Entry!.ModRevision));
    }

    [Fact]
    public async Task A_watch_starts_behind_its_revision()
    {
        var one = await PutAsync("/a", "1");
        var two = await PutAsync("/a", "2");

        var (changes, _) = await WatchToAsync("/", one, two);

        Assert.Equal(["/a=2"], changes.Select(Show));
    }

    [Fact]
    public async Task A_watch_delivers_what_happens_while_it_runs()
    {
        var start = await PutAsync("/live", "0");
        var seen = Channel.CreateUnbounded<string>();
        using var deadline = Eventually.Deadline();
        var watch = Task.Run(
            async () =>
            {
                await foreach (var batch in Store.WatchAsync("/live", start, deadline.Token))
                {
                    foreach (var change in batch.Events)
                    {
                        seen.Writer.TryWrite(Text(change.Entry));
                    }
                }
            },
            Cancelled);

        for (var i = 1; i <= 10; i++)
        {
            await PutAsync("/live", $"{i}");
            Assert.Equal($"{i}", await seen.Reader.ReadAsync(deadline.Token));
        }

        await deadline.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
    }

    [Fact]
    public async Task A_batch_holds_whole_revisions()
    {
        var start = await Store.CurrentRevisionAsync(Cancelled);
        var last = start;
        for (var i = 0; i < 30; i++)
        {
            var operations = Enumerable.Range(0, 50).Select(n => Operation.Put($"/t/{n:00}", Bytes($"{i}"))).ToArray();
            last = (await Store.CommitAsync(new Transaction([], operations), Cancelled)).Revision;
        }

        var (changes, batches) = await WatchToAsync("/t/", start, last);

        Assert.Equal(30 * 50, changes.Count);
        Assert.All(batches, b => Assert.Equal(0, b.Events.Count % 50));
        Assert.All(batches, b => Assert.True(b.Events.All(e => e.Revision <= b.Revision)));
        Assert.True(batches.Zip(batches.Skip(1)).All(p => p.First.Revision <= p.Second.Revision));
        Assert.True(batches.Zip(batches.Skip(1)).All(p => p.Second.Events.All(e => e.Revision > p.First.Revision)));
    }

    [Fact]
    public async Task A_watch_resumed_from_any_batch_misses_and_repeats_nothing()
    {
        var start = await Store.CurrentRevisionAsync(Cancelled);
        const int count = 300;
        var writer = Task.Run(
            async () =>
            {
                for (var i = 0; i < count; i++)
                {
                    await PutAsync($"/r/{i % 7}", $"{i}");
                }
            },
            Cancelled);

        var seen = new List<string>();
        while (seen.Count < count)
        {
            var (changes, batches) = await WatchUntilAsync("/r/", start, (_, all) => all.Count > 0);
            seen.AddRange(changes.Select(c => Text(c.Entry)));
            start = batches[^1].Revision;
        }

        await writer;
        Assert.Equal(Enumerable.Range(0, count).Select(i => $"{i}"), seen);
    }

    [Fact]
    public async Task A_consumer_that_is_slower_than_the_writers_loses_nothing()
    {
        var start = await Store.CurrentRevisionAsync(Cancelled);
        using var deadline = Eventually.Deadline();
        await using var watch = Store.WatchAsync("/s/", start, deadline.Token).GetAsyncEnumerator(deadline.Token);
        Assert.True(await watch.MoveNextAsync());

        // Far more than anything would keep in memory for one consumer, while it does not read.
        var (writes, size) = (Math.Max(60, Effort / 20), 512 * 1024);
        for (var i = 0; i < writes; i++)
        {
            await Store.CommitAsync(new Transaction([], [Operation.Put($"/s/{i % 3}", new byte[size + i])]), Cancelled);
        }

        var sizes = watch.Current.Events.Select(e => e.Entry!.Value.Length - size).ToList();
        while (sizes.Count < writes)
        {
            Assert.True(await watch.MoveNextAsync());
            sizes.AddRange(watch.Current.Events.Select(e => e.Entry!.Value.Length - size));
        }

        Assert.Equal(Enumerable.Range(0, writes), sizes);
    }

    [Fact]
    public async Task An_idle_watch_reports_progress_at_its_start_and_again()
    {
        var revision = await PutAsync("/busy", "1");

        var reports = 0;
        var (changes, _) = await WatchUntilAsync("/idle/", revision, (_, _) => ++reports == 3);

        Assert.Empty(changes);
    }

    [Fact]
    public async Task An_idle_watch_reaches_the_current_revision_while_others_write()
    {
        var start = await PutAsync("/busy", "0");
        for (var i = 0; i < 10; i++)
        {
            await PutAsync("/busy", $"{i}");
        }

        var current = await Store.CurrentRevisionAsync(Cancelled);

        var (changes, _) = await WatchToAsync("/idle/", start, current);
        Assert.Empty(changes);
    }

    [Fact]
    public async Task A_watch_from_a_revision_to_come_waits_for_it()
    {
        // A transaction may take more than one revision, so the write before the one that is watched for has to be well before it.
        var now = await PutAsync("/f", "now");
        var future = new Revision(now.Value + 20);
        var watch = WatchUntilAsync("/f", future, (_, all) => all.Count > 0);
        var written = now;
        while (written <= future)
        {
            written = await PutAsync("/f", "tick");
        }

        var (changes, _) = await watch;
        Assert.True(changes[0].Revision > future);
    }

    [Fact]
    public async Task Many_watchers_of_many_prefixes_each_see_their_own()
    {
        var start = await Store.CurrentRevisionAsync(Cancelled);
        var watchers = Enumerable.Range(0, 40)
            .Select(n => WatchUntilAsync($"/m/{n % 20}/", start, (_, all) => all.Count == 10)).ToArray();
        for (var i = 0; i < 10; i++)
        {
            var puts = Enumerable.Range(0, 20).Select(n => Operation.Put($"/m/{n}/k", Bytes($"{n}:{i}"))).ToArray();
            await Store.CommitAsync(new Transaction([], puts), Cancelled);
        }

        for (var n = 0; n < watchers.Length; n++)
        {
            var (changes, _) = await watchers[n];
            Assert.Equal(Enumerable.Range(0, 10).Select(i => $"{n % 20}:{i}"), changes.Select(c => Text(c.Entry)));
        }
    }

    [Fact]
    public async Task A_watch_ends_when_it_is_cancelled()
    {
        using var stop = new CancellationTokenSource();
        var now = await Store.CurrentRevisionAsync(Cancelled);
        var watch = Task.Run(
            async () =>
            {
                await foreach (var _ in Store.WatchAsync("/", now, stop.Token))
                {
                    await stop.CancelAsync();
                }
            },
            Cancelled);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
    }

    [Fact]
    public async Task A_watch_ends_when_its_store_is_disposed()
    {
        using var deadline = Eventually.Deadline();
        var revision = await PutAsync("/a", "1");
        await using var watch = Store.WatchAsync("/", revision, deadline.Token).GetAsyncEnumerator(deadline.Token);
        Assert.True(await watch.MoveNextAsync());

        await Store.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await watch.MoveNextAsync())
            {
            }
        });
    }
}
