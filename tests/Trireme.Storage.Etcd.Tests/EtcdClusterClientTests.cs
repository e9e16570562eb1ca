using Trireme.Storage.Etcd.Membership;
using Trireme.TestKit;
using Trireme.TestKit.Etcd;

namespace Trireme.Storage.Etcd.Tests;

public sealed class EtcdClusterClientTests
{
    [Fact]
    public async Task A_learner_is_added_catches_up_is_promoted_and_removed()
    {
        await using var cluster = await EtcdCluster.StartAsync(1);
        using var client = Open(cluster);
        var spare = cluster.CreateMember();

        var added = await RetryAsync(() => client.AddAsync([spare.PeerUrl]), EtcdRefusal.UnhealthyCluster);
        Assert.True(added.IsLearner);
        Assert.False(added.HasStarted);
        await Assert.ThrowsAsync<EtcdRefusedException>(() => client.AddAsync([spare.PeerUrl]));
        spare.Start();

        await RetryAsync(
            async () =>
            {
                await client.PromoteAsync(added.Id);
                return true;
            },
            EtcdRefusal.LearnerNotReady);
        await cluster.WaitUntilHealthyAsync();
        var members = await client.MemberListAsync();
        Assert.Equal(["m0", "m1"], members.Select(m => m.Name).Order());
        Assert.All(members, m => Assert.False(m.IsLearner));
        Assert.Equal(2, (await client.MemberListAsync(linearizable: false)).Count);

        await RetryAsync(
            async () =>
            {
                await client.RemoveAsync(added.Id);
                return true;
            },
            EtcdRefusal.UnhealthyCluster);
        Assert.Equal("m0", Assert.Single(await client.MemberListAsync()).Name);
        var gone = await Assert.ThrowsAsync<EtcdRefusedException>(() => client.PromoteAsync(added.Id));
        Assert.Equal(EtcdRefusal.MemberNotFound, gone.Refusal);
    }

    [Fact]
    public async Task Leadership_moves_and_status_tells()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        using var client = Open(cluster);
        var statuses = await Task.WhenAll(cluster.Endpoints.Select(e => client.StatusAsync(e)));
        var target = statuses.First(s => !s.IsLeader);
        Assert.All(statuses, s => Assert.Equal(statuses[0].Leader, s.Leader));
        Assert.All(statuses, s => Assert.StartsWith("3.", s.Version, StringComparison.Ordinal));
        Assert.All(statuses, s => Assert.True(s.DbSizeBytes > 0 && s.Errors.Count == 0));

        await client.MoveLeaderAsync(target.Id);

        await Eventually.HoldsAsync(
            async () => (await client.StatusAsync(cluster.Endpoints[0])).Leader == target.Id, "the new leader is known");
    }

    [Fact]
    public async Task A_member_without_quorum_tells_its_status_and_that_it_is_not_healthy()
    {
        await using var cluster = await EtcdCluster.StartAsync(3);
        using var client = Open(cluster);
        Assert.True(await client.IsHealthyAsync(cluster.Endpoints[0]));
        cluster.Members[1].Kill();
        cluster.Members[2].Kill();

        await Eventually.HoldsAsync(
            async () => !await client.IsHealthyAsync(cluster.Endpoints[0])
                && (await client.StatusAsync(cluster.Endpoints[0])).Leader is null,
            "the survivor has no leader");
        Assert.Equal(3, (await client.MemberListAsync(linearizable: false)).Count);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => client.MemberListAsync());
        await Assert.ThrowsAsync<StoreUnavailableException>(() => client.StatusAsync(cluster.Endpoints[1]));
    }

    [Fact]
    public async Task A_snapshot_is_whole_and_a_failed_one_leaves_nothing()
    {
        await using var cluster = await EtcdCluster.StartAsync(1);
        using var client = Open(cluster);
        using var directory = new TempDirectory();
        await using (var store = new EtcdStore(new EtcdOptions { Endpoints = cluster.Endpoints }, TimeProvider.System))
        {
            await store.CommitAsync(Transaction.Create("/a", new byte[300_000]));
        }

        var size = await client.SnapshotAsync(directory["backup.db"]);
        Assert.Equal(32, size % 512);
        Assert.Equal(size, new FileInfo(directory["backup.db"]).Length);
        Assert.True(size > 300_000);

        cluster.Members[0].Kill();
        await Assert.ThrowsAsync<StoreUnavailableException>(
            () => client.SnapshotAsync(directory["second.db"], cluster.Endpoints[0]));
        Assert.Equal([directory["backup.db"]], Directory.GetFiles(directory.Path));
    }

    [Fact]
    public async Task There_are_no_alarms_and_defragmentation_gives_space_back()
    {
        await using var cluster = await EtcdCluster.StartAsync(1);
        using var client = Open(cluster);
        await using var store = new EtcdStore(new EtcdOptions { Endpoints = cluster.Endpoints }, TimeProvider.System);
        var last = Revision.None;
        for (var i = 0; i < 20; i++)
        {
            last = (await store.CommitAsync(new Transaction([], [Operation.Put("/a", new byte[500_000])]))).Revision;
        }

        await store.CompactAsync(last);
        Assert.Empty(await client.AlarmsAsync());
        var before = 0L;
        await Eventually.HoldsAsync(
            async () =>
            {
                // Freed pages show when the database commits again.
                await store.CommitAsync(new Transaction([], [Operation.Put("/b", new byte[1])]));
                var status = await client.StatusAsync(cluster.Endpoints[0]);
                before = status.DbSizeBytes;
                return status.DbSizeInUseBytes < before / 2;
            },
            "compaction has freed pages");

        await client.DefragmentAsync(cluster.Endpoints[0]);

        Assert.True((await client.StatusAsync(cluster.Endpoints[0])).DbSizeBytes < before);
    }

    [Fact]
    public async Task A_member_is_told_to_be_elsewhere()
    {
        await using var cluster = await EtcdCluster.StartAsync(1);
        using var client = Open(cluster);
        var member = Assert.Single(await client.MemberListAsync());

        await client.UpdatePeerUrlsAsync(member.Id, [new Uri("http://127.0.0.1:1")]);

        Assert.Equal(
            [new Uri("http://127.0.0.1:1")], Assert.Single(await client.MemberListAsync()).PeerUrls);
    }

    private static EtcdClusterClient Open(EtcdCluster cluster) =>
        new(new EtcdOptions { Endpoints = cluster.Endpoints }, TimeProvider.System);

    private static async Task<T> RetryAsync<T>(Func<Task<T>> change, EtcdRefusal expected)
    {
        T? result = default;
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    result = await change();
                    return true;
                }
                catch (EtcdRefusedException e) when (e.Refusal == expected)
                {
                    return false;
                }
                catch (StoreUnavailableException)
                {
                    // A cluster of two is without a leader for a moment when it becomes one of three, and so on.
                    return false;
                }
            },
            $"anything but {expected}");
        return result!;
    }
}
