using System.Text;
using Grpc.Core;
using Trireme.Storage.Etcd.Rpc;
using Trireme.TestKit.Etcd;
using Reply = Trireme.Storage.Etcd.Tests.FaultyMember.Reply;

namespace Trireme.Storage.Etcd.Tests;

/// <summary>Commits through a member that loses, delays and refuses, checked against the store behind it.</summary>
public sealed class CommitterTests : IAsyncLifetime
{
    private const string NoSpace = "etcdserver: mvcc: database space exceeded";

    private EtcdCluster _cluster = null!;
    private FaultyMember _faulty = null!;
    private EtcdStore _store = null!;
    private EtcdStore _direct = null!;

    public async ValueTask InitializeAsync()
    {
        _cluster = await EtcdCluster.StartAsync();
        _faulty = await FaultyMember.StartAsync(_cluster.Endpoints[0]);
        _store = new EtcdStore(
            new EtcdOptions
            {
                Endpoints = [_faulty.Url],
                AttemptTimeout = TimeSpan.FromMilliseconds(300),
                ProbeTimeout = TimeSpan.FromSeconds(5),
                TotalTimeout = TimeSpan.FromMinutes(1),
            },
            TimeProvider.System);
        _direct = new EtcdStore(new EtcdOptions { Endpoints = _cluster.Endpoints }, TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _direct.DisposeAsync();
        await _faulty.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task A_first_attempt_that_arrives_late_does_not_land_after_the_caller_was_told_of_a_failed_condition()
    {
        var late = HoldFirst();
        var theirs = await _direct.CommitAsync(Transaction.Create("/k", Value("theirs")));

        var mine = await _store.CommitAsync(Transaction.Create("/k", Value("mine")));
        Assert.False(mine.Succeeded);
        Assert.Equal(theirs.Revision, mine.Current[0]!.ModRevision);
        await _direct.CommitAsync(Transaction.Delete("/k", theirs.Revision));
        await (await late)();

        Assert.Null((await _direct.GetAsync("/k")).Entry);
        Assert.True((await _store.CommitAsync(Transaction.Create("/k", Value("again")))).Succeeded);
    }

    [Fact]
    public async Task A_first_attempt_that_lands_before_the_failed_condition_is_reported_is_reported_instead()
    {
        var late = HoldFirst(onSeal: async pass =>
        {
            await _direct.CommitAsync(new Transaction([], [Operation.Delete("/k")]));
            await pass();
        });
        await _direct.CommitAsync(Transaction.Create("/k", Value("theirs")));

        var mine = await _store.CommitAsync(Transaction.Create("/k", Value("mine")));

        Assert.True(late.IsCompletedSuccessfully);
        Assert.True(mine.Succeeded);
        Assert.Equal((await _direct.GetAsync("/k")).Entry!.ModRevision, mine.Revision);
    }

    [Fact]
    public async Task A_first_attempt_that_arrives_when_the_markers_have_been_removed_does_not_land_again()
    {
        var late = HoldFirst();
        var mine = await _store.CommitAsync(Transaction.Create("/k", Value("mine")));
        Assert.True(mine.Succeeded);
        await _store.DisposeAsync();
        await _direct.CommitAsync(Transaction.Delete("/k", mine.Revision));

        await (await late)();

        Assert.Null((await _direct.GetAsync("/k")).Entry);
    }

    [Fact]
    public async Task A_commit_that_was_carried_out_though_the_database_was_full_is_reported_as_done()
    {
        _faulty.OnTxn = async (request, pass) =>
        {
            var reply = await pass();
            return Changes(request) ? Reply.Error(StatusCode.ResourceExhausted, NoSpace) : reply;
        };

        var created = await _store.CommitAsync(Transaction.Create("/k", Value("mine")));
        Assert.True(created.Succeeded);
        Assert.Equal((await _direct.GetAsync("/k")).Entry!.ModRevision, created.Revision);

        var deleted = await _store.CommitAsync(Transaction.Delete("/k", created.Revision));
        Assert.True(deleted.Succeeded);
    }

    [Fact]
    public async Task A_commit_that_a_full_database_refused_is_reported_as_not_done_and_the_same_as_a_delete_is_made_without_a_marker()
    {
        var theirs = await _direct.CommitAsync(Transaction.Create("/k", Value("theirs")));
        _faulty.OnTxn = (request, pass) =>
            request.Success.Any(o => o.RequestPut is not null) ? Task.FromResult(Reply.Error(StatusCode.ResourceExhausted, NoSpace)) : pass();

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await _store.CommitAsync(Transaction.Create("/x", Value("mine"))));
        Assert.False(refused.MayHaveApplied);
        Assert.True((await _store.CommitAsync(Transaction.Delete("/k", theirs.Revision))).Succeeded);

        _faulty.OnTxn = (request, _) => Task.FromResult(request.Success.Any(o => o.RequestPut is not null)
            ? Reply.Error(StatusCode.ResourceExhausted, NoSpace)
            : Reply.Error(StatusCode.PermissionDenied, "etcdserver: permission denied"));
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await _store.CommitAsync(Transaction.Delete("/k", theirs.Revision)));
    }

    [Fact]
    public async Task What_a_leader_that_hands_over_does_not_take_up_is_tried_again()
    {
        var dropped = 0;
        _faulty.OnTxn = (request, pass) =>
            Changes(request) && dropped++ < 3 ? Task.FromResult(Reply.Error(StatusCode.Unknown, "raft proposal dropped")) : pass();

        Assert.True((await _store.CommitAsync(Transaction.Create("/k", Value("mine")))).Succeeded);
        Assert.Equal(4, dropped);
    }

    [Fact]
    public async Task A_refused_question_for_the_newest_revision_is_an_error_of_the_store()
    {
        await _store.CurrentRevisionAsync();
        _faulty.OnRange = (_, _) => Task.FromResult(Reply.Error(StatusCode.PermissionDenied, "etcdserver: permission denied"));

        var error = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await _store.CurrentRevisionAsync());
        Assert.Contains("permission denied", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The first attempt of the first commit does not get through; the task brings what passes it on, late. <paramref name="onSeal"/> gets that before the lane is sealed.</summary>
    private Task<Func<Task<Reply>>> HoldFirst(Func<Func<Task<Reply>>, Task>? onSeal = null)
    {
        var held = new TaskCompletionSource<Func<Task<Reply>>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _faulty.OnTxn = async (request, pass) =>
        {
            if (Changes(request) && held.TrySetResult(pass))
            {
                await Task.Delay(Timeout.Infinite);
            }

            var seals = request.Success.Any(o => o.RequestPut?.Value.ToStringUtf8().EndsWith("sealed", StringComparison.Ordinal) == true);
            if (seals && onSeal is not null)
            {
                await onSeal(await held.Task);
            }

            return await pass();
        };
        return held.Task;
    }

    private static bool Changes(TxnRequest request) =>
        request.Success.Any(o => (o.RequestPut?.Key ?? o.RequestDeleteRange?.Key)?.ToStringUtf8() is { } key && key.StartsWith('/'));

    private static byte[] Value(string text) => Encoding.UTF8.GetBytes(text);
}
