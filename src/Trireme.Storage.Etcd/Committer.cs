using Google.Protobuf;
using Grpc.Core;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;

namespace Trireme.Storage.Etcd;

/// <summary>Carries out transactions, each on a lane (<see cref="CommitLanes"/>), so that it may be repeated until its outcome is known.</summary>
internal sealed class Committer(FailoverCaller caller, Keys keys, CommitLanes lanes, Action<long> saw)
{
    /// <exception cref="StoreUnavailableException">The outcome is unknown, or it was refused; see its MayHaveApplied.</exception>
    /// <exception cref="StoreRequestTooLargeException">It is larger than members accept.</exception>
    public async ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        try
        {
            try
            {
                return await CommitOnLaneAsync(transaction, cancellationToken).ConfigureAwait(false);
            }
            catch (RpcException e) when (EtcdErrors.IsOutOfSpace(e) && transaction.Operations.All(o => o.Value is null))
            {
                return await DeleteWithoutSpaceAsync(transaction, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (RpcException e)
        {
            throw EtcdErrors.Judge(e) == EtcdVerdict.TooLarge
                ? new StoreRequestTooLargeException(e.Status.Detail, e)
                : EtcdErrors.Refused(e, mayHaveApplied: false);
        }
    }

    /// <exception cref="RpcException">It was refused and did not happen.</exception>
    private async ValueTask<CommitResult> CommitOnLaneAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        var lane = lanes.Rent();
        while (true)
        {
            if (!lane.IsOpen)
            {
                await OpenAsync(lane, cancellationToken).ConfigureAwait(false);
            }

            lane.NewTicket();
            Answer<TxnResponse> answer;
            try
            {
                answer = await SendAsync(CreateRequest(transaction, lane), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (EtcdErrors.IsOutOfSpace(e))
            {
                // etcd may carry out the very transaction that fills its database and refuse it nevertheless.
                if (await LookAsync(lane, cancellationToken).ConfigureAwait(false) is { Result: LaneResult.Landed } landed)
                {
                    lanes.Return(lane);
                    return Succeeded(landed);
                }

                ReturnUnlessOpenEnded(lane, e);
                throw;
            }
            catch (Exception e)
            {
                ReturnUnlessOpenEnded(lane, e);
                throw;
            }

            var outcome = lane.Read(answer.Response);
            if (outcome.Result == LaneResult.ConditionFailed && answer.IsRepeated)
            {
                // Else the first attempt could land when the condition holds again, after the caller was told that it did not.
                outcome = await SealAsync(lane, cancellationToken).ConfigureAwait(false);
            }

            if (outcome.Result == LaneResult.Moved)
            {
                if (answer.IsRepeated)
                {
                    // The first attempt may have landed before the marker was lost.
                    throw new StoreUnavailableException("etcd no longer knows what became of the commit", mayHaveApplied: true);
                }

                continue;
            }

            lanes.Return(lane);
            return outcome.Result == LaneResult.Landed
                ? Succeeded(outcome)
                : new CommitResult(false, new Revision(answer.Response.Header.Revision), ReadCurrent(transaction, answer.Response));
        }
    }

    private static CommitResult Succeeded(LaneOutcome landed) => new(true, new Revision(landed.Revision), []);

    /// <summary>A lane whose commit may still change its marker is not given back.</summary>
    private void ReturnUnlessOpenEnded(CommitLane lane, Exception failure)
    {
        if (failure is RpcException or StoreUnavailableException { MayHaveApplied: false })
        {
            lanes.Return(lane);
        }
    }

    private async ValueTask OpenAsync(CommitLane lane, CancellationToken cancellationToken)
    {
        try
        {
            lane.Opened((await SendAsync(lane.Open(), cancellationToken).ConfigureAwait(false)).Response);
        }
        catch (StoreUnavailableException e)
        {
            // Of the commit itself nothing was sent.
            lanes.Return(lane);
            throw new StoreUnavailableException(e.Message, mayHaveApplied: false, e);
        }
        catch
        {
            lanes.Return(lane);
            throw;
        }
    }

    private ValueTask<LaneOutcome> SealAsync(CommitLane lane, CancellationToken cancellationToken) => ClearUpAsync(
        async () => lane.Sealed((await SendAsync(lane.Seal(), cancellationToken).ConfigureAwait(false)).Response));

    private ValueTask<LaneOutcome> LookAsync(CommitLane lane, CancellationToken cancellationToken) => ClearUpAsync(
        async () => lane.Looked(await caller.CallAsync(
            lane.Look, static (channel, request, options) => channel.Kv.RangeAsync(request, options), cancellationToken).ConfigureAwait(false)));

    /// <summary>Asks what became of a commit; without an answer that is unknown, whatever is known of the question.</summary>
    private static async ValueTask<LaneOutcome> ClearUpAsync(Func<Task<LaneOutcome>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (StoreUnavailableException e)
        {
            throw new StoreUnavailableException(e.Message, mayHaveApplied: true, e);
        }
        catch (RpcException e)
        {
            throw EtcdErrors.Refused(e, mayHaveApplied: true);
        }
    }

    /// <summary>A cluster whose database is full accepts transactions that put nothing, so this one leaves no marker: deleting must remain possible,
    /// it is the way out. The price is that one that was repeated may be told that its own first attempt is a failed condition.</summary>
    private async ValueTask<CommitResult> DeleteWithoutSpaceAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        var response = (await SendAsync(CreateRequest(transaction), cancellationToken).ConfigureAwait(false)).Response;
        return new CommitResult(
            response.Succeeded,
            new Revision(response.Header.Revision),
            response.Succeeded ? [] : ReadCurrent(transaction, response));
    }

    private async ValueTask<Answer<TxnResponse>> SendAsync(TxnRequest request, CancellationToken cancellationToken)
    {
        var answer = await caller.CallCountingAsync(
            request, static (channel, request, options) => channel.Kv.TxnAsync(request, options), cancellationToken).ConfigureAwait(false);
        saw(answer.Response.Header.Revision);
        return answer;
    }

    private TxnRequest CreateRequest(Transaction transaction, CommitLane? lane = null)
    {
        var request = new TxnRequest();
        foreach (var condition in transaction.Conditions)
        {
            var key = keys.Encode(condition.Key);
            request.Compare.Add(new Compare
            {
                Target = Compare.Types.CompareTarget.Mod, Key = key, ModRevision = condition.ModRevision.Value,
            });
            request.Failure.Add(new RequestOp { RequestRange = new RangeRequest { Key = key } });
        }

        foreach (var operation in transaction.Operations)
        {
            var key = keys.Encode(operation.Key);
            request.Success.Add(operation.Value is { } value
                ? new RequestOp { RequestPut = new PutRequest { Key = key, Value = UnsafeByteOperations.UnsafeWrap(value) } }
                : new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = key } });
        }

        lane?.Guard(request);
        return request;
    }

    private static StoredEntry?[] ReadCurrent(Transaction transaction, TxnResponse response)
    {
        var current = new StoredEntry?[transaction.Conditions.Count];
        for (var i = 0; i < current.Length; i++)
        {
            var found = response.Responses[i].ResponseRange.Kvs;
            current[i] = found.Count > 0 ? RangeReader.Entry(transaction.Conditions[i].Key, found[0]) : null;
        }

        return current;
    }
}
