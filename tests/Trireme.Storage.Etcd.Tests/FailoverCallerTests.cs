using Grpc.Core;
using Trireme.TestKit;
using Trireme.TestKit.Etcd;
using Reply = Trireme.Storage.Etcd.Tests.FaultyMember.Reply;

namespace Trireme.Storage.Etcd.Tests;

public sealed class FailoverCallerTests
{
    [Fact]
    public async Task A_member_that_is_slow_but_proves_itself_is_kept_and_with_it_the_watch()
    {
        await using var cluster = await EtcdCluster.StartAsync();
        await using var one = await FaultyMember.StartAsync(cluster.Endpoints[0]);
        await using var other = await FaultyMember.StartAsync(cluster.Endpoints[0]);
        var commits = 0;
        one.OnTxn = other.OnTxn = async (_, pass) =>
        {
            if (Interlocked.Increment(ref commits) == 1)
            {
                await Task.Delay(Timeout.Infinite);
            }

            return await pass();
        };
        await using var store = new EtcdStore(
            new EtcdOptions
            {
                Endpoints = [one.Url, other.Url],
                AttemptTimeout = TimeSpan.FromMilliseconds(300),
                ProbeTimeout = TimeSpan.FromSeconds(5),
                TotalTimeout = TimeSpan.FromMinutes(1),
            },
            TimeProvider.System);
        await store.CurrentRevisionAsync();
        var before = store.MemberInUse;

        await store.CommitAsync(Transaction.Create("/k", new byte[1]));

        Assert.NotNull(before);
        Assert.Equal(before, store.MemberInUse);
    }

    [Fact]
    public async Task A_busy_cluster_is_asked_again_with_growing_pauses()
    {
        await using var cluster = await EtcdCluster.StartAsync();
        await using var busy = await FaultyMember.StartAsync(cluster.Endpoints[0]);
        var refused = 0;
        busy.OnTxn = (_, pass) => refused++ < 8 ? Task.FromResult(Reply.Error(StatusCode.ResourceExhausted, "etcdserver: too many requests")) : pass();
        var time = new HastyTime();
        await using var store = new EtcdStore(new EtcdOptions { Endpoints = [busy.Url], AttemptTimeout = TimeSpan.FromMinutes(1) }, time);
        await store.CurrentRevisionAsync();
        time.Pauses.Clear();

        Assert.True((await store.CommitAsync(Transaction.Create("/k", new byte[1]))).Succeeded);

        var pauses = time.Pauses.Select(p => p.TotalMilliseconds).ToArray();
        Assert.Equal(8, pauses.Length);
        Assert.InRange(pauses[0], 20, 32);
        Assert.InRange(pauses[2], 80, 128);
        Assert.All(pauses[4..], p => Assert.InRange(p, 200, 320));
    }

    [Fact]
    public async Task When_no_member_has_been_usable_for_long_a_commit_fails_without_waiting_any_longer()
    {
        await using var cluster = await EtcdCluster.StartAsync();
        await using var store = new EtcdStore(
            new EtcdOptions { Endpoints = cluster.Endpoints, TotalTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);
        Assert.True((await store.CommitAsync(Transaction.Create("/a", new byte[1]))).Succeeded);
        cluster.Members[0].Kill();

        StoreUnavailableException? last = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                last = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.CommitAsync(Transaction.Create("/b", new byte[1])));
                return last.Message.Contains("has had no member", StringComparison.Ordinal);
            },
            "commits fail at once");
        Assert.False(last!.MayHaveApplied);

        cluster.Members[0].Start();
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    return (await store.CommitAsync(Transaction.Create("/c", new byte[1]))).Succeeded;
                }
                catch (StoreUnavailableException)
                {
                    return false;
                }
            },
            "commits succeed again");
    }

    /// <summary>The system's clock, on which nobody waits for what is shorter than a second.</summary>
    private sealed class HastyTime : TimeProvider
    {
        public List<TimeSpan> Pauses { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime <= TimeSpan.Zero || dueTime >= TimeSpan.FromSeconds(1))
            {
                return base.CreateTimer(callback, state, dueTime, period);
            }

            lock (Pauses)
            {
                Pauses.Add(dueTime);
            }

            return base.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
