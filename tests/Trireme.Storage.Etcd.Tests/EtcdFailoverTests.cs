using System.Globalization;
using System.Text;
using Trireme.TestKit;
using Trireme.TestKit.Etcd;

namespace Trireme.Storage.Etcd.Tests;

/// <summary>Three real members, broken one after the other under traffic. Nothing here measures time: calls get as long as they need.</summary>
public sealed class EtcdFailoverTests
{
    [Fact]
    public async Task Traffic_goes_on_when_the_member_in_use_is_killed()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        await using var store = Open(cluster);
        await using var traffic = await Traffic.StartAsync(store);
        for (var round = 0; round < 3; round++)
        {
            await traffic.FlowsAsync();
            var victim = cluster.MemberAt(store.MemberInUse!);
            victim.Kill();
            await traffic.FlowsAsync();
            Assert.NotEqual(victim.ClientUrl, store.MemberInUse);
            victim.Start();
            await cluster.WaitUntilHealthyAsync();
        }

        await traffic.StopAndVerifyAsync();
        Assert.Equal(0, traffic.Unknown);
    }

    [Fact]
    public async Task Traffic_goes_on_when_the_member_in_use_is_suspended_and_is_not_disturbed_when_it_wakes()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        await using var store = Open(cluster);
        await using var traffic = await Traffic.StartAsync(store);
        for (var round = 0; round < 3; round++)
        {
            await traffic.FlowsAsync();
            var victim = cluster.MemberAt(store.MemberInUse!);
            victim.Pause();
            await traffic.FlowsAsync();
            Assert.NotEqual(victim.ClientUrl, store.MemberInUse);

            // What it had been sent before it fell asleep arrives now.
            victim.Resume();
            await cluster.WaitUntilHealthyAsync();
        }

        await traffic.FlowsAsync();
        await traffic.StopAndVerifyAsync();
        Assert.Equal(0, traffic.Unknown);
    }

    [Fact]
    public async Task Traffic_goes_on_when_the_leader_is_killed()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        await using var store = Open(cluster);
        await using var traffic = await Traffic.StartAsync(store);
        for (var round = 0; round < 2; round++)
        {
            await traffic.FlowsAsync();
            var leader = await cluster.LeaderAsync();
            leader.Kill();
            await traffic.FlowsAsync();
            leader.Start();
            await cluster.WaitUntilHealthyAsync();
        }

        await traffic.StopAndVerifyAsync();
        Assert.Equal(0, traffic.Unknown);
    }

    [Fact]
    public async Task Increments_are_counted_exactly_once_while_members_die_and_sleep()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        await using var store = Open(cluster);
        using var stop = new CancellationTokenSource();
        var counted = 0;
        var callers = Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await IncrementAsync(store);
                Interlocked.Increment(ref counted);
            }
        })).ToArray();

        foreach (var breakIt in (Action<EtcdProcess>[])[m => m.Pause(), m => m.Kill(), m => m.Pause()])
        {
            await MoreAsync(50);
            var victim = cluster.MemberAt(store.MemberInUse!);
            breakIt(victim);
            await MoreAsync(50);
            victim.Resume();
            if (!victim.IsRunning)
            {
                victim.Start();
            }

            await cluster.WaitUntilHealthyAsync();
        }

        await stop.CancelAsync();
        await Task.WhenAll(callers);
        var entry = (await store.GetAsync("/counter")).Entry!;
        Assert.Equal(counted, Number(entry));

        Task MoreAsync(int more)
        {
            var goal = Volatile.Read(ref counted) + more;
            return Eventually.HoldsAsync(
                () => Volatile.Read(ref counted) >= goal || callers.Any(c => c.IsFaulted), $"{more} more increments");
        }
    }

    [Fact]
    public async Task Without_quorum_calls_fail_in_time_and_everything_goes_on_when_it_returns()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        await using var store = Open(cluster, TimeSpan.FromSeconds(3));
        await using var traffic = await Traffic.StartAsync(store);
        await traffic.FlowsAsync();
        var leader = await cluster.LeaderAsync();
        var other = cluster.Members.First(m => m != leader);
        leader.Kill();
        other.Kill();

        var read = await Assert.ThrowsAsync<StoreUnavailableException>(async () =>
        {
            // An answer may still be under way from before.
            while (true)
            {
                await store.GetAsync("/n/0");
            }
        });
        Assert.Contains("etcd did not answer within 3 s", read.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.CurrentRevisionAsync());
        await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await store.CommitAsync(Transaction.Create("/x", new byte[1])));

        leader.Start();
        other.Start();
        await cluster.WaitUntilHealthyAsync();
        await traffic.FlowsAsync();
        await traffic.StopAndVerifyAsync();
    }

    [Fact]
    public async Task A_commit_certainly_did_not_happen_when_no_member_was_there()
    {
        await using var cluster = await EtcdCluster.StartAsync(1);
        await using var store = Open(cluster, TimeSpan.FromSeconds(1));
        cluster.Members[0].Kill();

        var error = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await store.CommitAsync(Transaction.Create("/x", new byte[1])));

        Assert.False(error.MayHaveApplied);
        Assert.Contains("Connection refused", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watch_whose_member_was_away_for_longer_than_history_is_kept_says_so()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        await using var alone = new EtcdStore(
            new EtcdOptions { Endpoints = [cluster.Endpoints[0]] }, TimeProvider.System);
        await using var others = new EtcdStore(
            new EtcdOptions { Endpoints = [.. cluster.Endpoints.Skip(1)], TotalTimeout = TimeSpan.FromMinutes(1) }, TimeProvider.System);
        using var deadline = Eventually.Deadline();
        var start = await alone.CurrentRevisionAsync();
        await using var watch = alone.WatchAsync("/", start, deadline.Token).GetAsyncEnumerator(deadline.Token);
        Assert.True(await watch.MoveNextAsync());

        cluster.Members[0].Kill();
        var last = Revision.None;
        for (var i = 0; i < 10; i++)
        {
            last = (await others.CommitAsync(new Transaction([], [Operation.Put("/a", new byte[i])]))).Revision;
        }

        await others.CompactAsync(last);
        cluster.Members[0].Start();
        await cluster.WaitUntilHealthyAsync();

        await Assert.ThrowsAsync<StoreCompactedException>(async () =>
        {
            while (await watch.MoveNextAsync())
            {
                Assert.Empty(watch.Current.Events);
            }
        });

        // Listing and watching anew works, through the same stream.
        var list = await alone.ListAsync(new ListRequest("/"));
        await using var again = alone.WatchAsync("/", list.Revision, deadline.Token).GetAsyncEnumerator(deadline.Token);
        var next = await others.CommitAsync(new Transaction([], [Operation.Put("/b", new byte[1])]));
        do
        {
            Assert.True(await again.MoveNextAsync());
        }
        while (again.Current.Revision < next.Revision);

        Assert.Equal("/b", Assert.Single(again.Current.Events).Key);
    }

    private static EtcdStore Open(EtcdCluster cluster, TimeSpan? total = null) => new(
        new EtcdOptions { Endpoints = cluster.Endpoints, TotalTimeout = total ?? TimeSpan.FromMinutes(1) },
        TimeProvider.System);

    private static int Number(StoredEntry? entry) =>
        entry is null ? 0 : int.Parse(Encoding.UTF8.GetString(entry.Value.Span), CultureInfo.InvariantCulture);

    /// <summary>All callers write the same bytes for the same number: that a value is there does not say who wrote it.</summary>
    private static async Task IncrementAsync(EtcdStore store)
    {
        var entry = (await store.GetAsync("/counter")).Entry;
        while (true)
        {
            var next = Encoding.UTF8.GetBytes($"{Number(entry) + 1}");
            var result = await store.CommitAsync(
                Transaction.Update("/counter", next, entry?.ModRevision ?? Revision.None));
            if (result.Succeeded)
            {
                return;
            }

            entry = result.Current[0];
        }
    }
}
