using System.Text;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;
using Trireme.TestKit.Etcd;

namespace Trireme.Storage.Etcd.Tests;

/// <summary>Plays the accidents that a lost answer can cause, one request at a time.</summary>
public sealed class CommitLanesTests : IAsyncLifetime
{
    private static readonly ByteString s_key = ByteString.CopyFromUtf8("/k");

    private EtcdCluster _cluster = null!;
    private EtcdOptions _options = null!;
    private MemberPool _pool = null!;
    private FailoverCaller _caller = null!;

    public async ValueTask InitializeAsync()
    {
        _cluster = await EtcdCluster.StartAsync();
        _options = new EtcdOptions { Endpoints = _cluster.Endpoints };
        _pool = new MemberPool(_options, TimeProvider.System, NullLogger.Instance);
        _caller = new FailoverCaller(_pool, _options, TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        _pool.Dispose();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task A_repeated_commit_learns_that_its_first_attempt_landed_and_where()
    {
        var lane = await OpenAsync();
        lane.NewTicket();
        var request = Put("mine", lane);
        var first = await SendAsync(request);

        // The answer to the first was lost. Meanwhile somebody wrote on.
        await SendAsync(Put("others"));
        var outcome = lane.Read(await SendAsync(request));

        Assert.Equal(new LaneOutcome(LaneResult.Landed, first.Header.Revision), outcome);
        Assert.Equal("others", await ReadAsync());
    }

    [Fact]
    public async Task An_attempt_that_arrives_late_changes_nothing_though_it_has_no_condition()
    {
        var lane = await OpenAsync();
        lane.NewTicket();
        var late = Put("first", lane);
        Assert.Equal(LaneResult.Landed, lane.Read(await SendAsync(late)).Result);
        lane.NewTicket();
        Assert.Equal(LaneResult.Landed, lane.Read(await SendAsync(Put("second", lane))).Result);

        Assert.False((await SendAsync(late)).Succeeded);

        Assert.Equal("second", await ReadAsync());
    }

    [Fact]
    public async Task A_failed_condition_is_told_from_a_landed_attempt()
    {
        await SendAsync(Put("there"));
        var lane = await OpenAsync();
        lane.NewTicket();
        var create = Put("mine");
        create.Compare.Add(new Compare { Target = Compare.Types.CompareTarget.Mod, Key = s_key, ModRevision = 0 });
        lane.Guard(create);

        Assert.Equal(LaneResult.ConditionFailed, lane.Read(await SendAsync(create)).Result);
        Assert.Equal(LaneResult.ConditionFailed, lane.Read(await SendAsync(create)).Result);
    }

    [Fact]
    public async Task A_sealed_lane_lets_no_attempt_land_and_says_what_became_of_the_first()
    {
        var lane = await OpenAsync();
        lane.NewTicket();
        var late = Put("late", lane);
        Assert.Equal(LaneResult.ConditionFailed, lane.Sealed(await SendAsync(lane.Seal())).Result);
        Assert.False((await SendAsync(late)).Succeeded);

        lane.NewTicket();
        var first = await SendAsync(Put("first", lane));
        Assert.Equal(new LaneOutcome(LaneResult.Landed, first.Header.Revision), lane.Sealed(await SendAsync(lane.Seal())));

        // The answer to the first attempt to seal was lost.
        lane.NewTicket();
        var seal = lane.Seal();
        await SendAsync(seal);
        Assert.Equal(LaneResult.ConditionFailed, lane.Sealed(await SendAsync(seal)).Result);
    }

    [Fact]
    public async Task Idle_markers_are_swept_busy_ones_stay_and_their_owner_does_not_notice()
    {
        await using var store = new EtcdStore(_options, TimeProvider.System);
        await store.CommitAsync(Transaction.Create("/a", new byte[1]));
        var sweeper = new LaneSweeper(_caller, new CommitLanes(), TimeProvider.System, NullLogger.Instance);
        var seen = await sweeper.SweepAsync([], CancellationToken.None);
        Assert.Single(seen);

        await store.CommitAsync(Transaction.Create("/b", new byte[1]));
        seen = await sweeper.SweepAsync(seen, CancellationToken.None);
        Assert.Single(await sweeper.SweepAsync([], CancellationToken.None));
        await sweeper.SweepAsync(seen, CancellationToken.None);
        Assert.Empty(await sweeper.SweepAsync([], CancellationToken.None));

        Assert.False((await store.CommitAsync(Transaction.Create("/a", new byte[2]))).Succeeded);
        Assert.True((await store.CommitAsync(Transaction.Create("/c", new byte[2]))).Succeeded);
    }

    [Fact]
    public async Task A_store_that_is_closed_leaves_no_marker()
    {
        await using (var store = new EtcdStore(_options, TimeProvider.System))
        {
            await Task.WhenAll(Enumerable.Range(0, 30).Select(
                i => store.CommitAsync(Transaction.Create($"/{i}", new byte[1])).AsTask()));
        }

        var sweeper = new LaneSweeper(_caller, new CommitLanes(), TimeProvider.System, NullLogger.Instance);
        Assert.Empty(await sweeper.SweepAsync([], CancellationToken.None));
    }

    [Fact]
    public async Task A_store_without_prefix_shows_its_own_records_to_nobody()
    {
        await using var store = new EtcdStore(_options, TimeProvider.System);
        var start = await store.CurrentRevisionAsync();
        var last = (await store.CommitAsync(Transaction.Create("/a", new byte[1]))).Revision;

        Assert.Equal(["/a"], (await store.ListAsync(new ListRequest(""))).Entries.Select(e => e.Key));
        var changes = new List<string>();
        await foreach (var batch in store.WatchAsync("", start))
        {
            changes.AddRange(batch.Events.Select(e => e.Key));
            if (batch.Revision >= last)
            {
                break;
            }
        }

        Assert.Equal(["/a"], changes);
    }

    private async Task<CommitLane> OpenAsync()
    {
        var lane = new CommitLanes().Rent();
        lane.Opened(await SendAsync(lane.Open()));
        return lane;
    }

    private static TxnRequest Put(string value, CommitLane? lane = null)
    {
        var request = new TxnRequest();
        request.Success.Add(
            new RequestOp { RequestPut = new PutRequest { Key = s_key, Value = ByteString.CopyFromUtf8(value) } });
        lane?.Guard(request);
        return request;
    }

    private async Task<TxnResponse> SendAsync(TxnRequest request) => await _caller.CallAsync(
        request, static (channel, r, options) => channel.Kv.TxnAsync(r, options), CancellationToken.None);

    private async Task<string> ReadAsync()
    {
        var response = await _caller.CallAsync(
            new RangeRequest { Key = s_key }, static (channel, r, options) => channel.Kv.RangeAsync(r, options), CancellationToken.None);
        return Encoding.UTF8.GetString(response.Kvs[0].Value.Span);
    }
}
