using Trireme.Storage.Etcd.Membership;
using Trireme.TestKit;
using Trireme.TestKit.Etcd;

namespace Trireme.Storage.Etcd.Tests;

public sealed class EtcdSpaceTests
{
    [Fact]
    public async Task A_full_cluster_is_read_only_but_for_deletes_which_are_the_way_out()
    {
        await using var cluster = await EtcdCluster.StartAsync(1, extraArguments: ["--quota-backend-bytes", "16777216"]);
        await using var store = new EtcdStore(new EtcdOptions { Endpoints = cluster.Endpoints }, TimeProvider.System);
        using var client = new EtcdClusterClient(new EtcdOptions { Endpoints = cluster.Endpoints }, TimeProvider.System);
        var written = 0;
        var full = await Assert.ThrowsAsync<StoreUnavailableException>(async () =>
        {
            for (; written < 1000; written++)
            {
                await store.CommitAsync(Transaction.Create($"/{written:000}", new byte[1_000_000]));
            }
        });
        Assert.False(full.MayHaveApplied);
        Assert.Contains("database space exceeded", full.Message, StringComparison.Ordinal);

        var entries = (await store.ListAsync(new ListRequest("/"))).Entries;
        Assert.Equal(written, entries.Count);
        var last = Revision.None;
        foreach (var entry in entries.Skip(1))
        {
            var deleted = await store.CommitAsync(Transaction.Delete(entry.Key, entry.ModRevision));
            Assert.True(deleted.Succeeded);
            last = deleted.Revision;
        }

        Assert.False((await store.CommitAsync(Transaction.Delete("/000", last))).Succeeded);

        // What an operator does then.
        await store.CompactAsync(last);
        await client.DefragmentAsync(cluster.Endpoints[0]);
        var alarm = Assert.Single(await client.AlarmsAsync());
        Assert.Equal(EtcdAlarmKind.NoSpace, alarm.Kind);
        await client.DisarmAsync(alarm);
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    return (await store.CommitAsync(new Transaction([], [Operation.Put("/new", new byte[1])]))).Succeeded;
                }
                catch (StoreUnavailableException)
                {
                    return false;
                }
            },
            "writes are accepted again");
    }
}
