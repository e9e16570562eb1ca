using System.Runtime.CompilerServices;
using Grpc.Core;
using Trireme.Storage.Etcd.Transport;

namespace Trireme.Storage.Etcd.Watching;

/// <summary>Every change of the cluster behind a revision, from whichever member can tell: opens <see cref="WatchSession"/>s one after the other,
/// each behind what the one before it delivered.</summary>
internal sealed class WatchFollower(
    MemberPool pool, Keys keys, EtcdOptions options, TimeProvider timeProvider, Func<long> newestSeen)
{
    /// <exception cref="StoreCompactedException">What comes next is gone.</exception>
    public async IAsyncEnumerable<WatchBatch> FollowAsync(
        Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            var member = await pool.GetAsync(cancellationToken).ConfigureAwait(false);
            var session = new WatchSession(member, keys, options, timeProvider, newestSeen);
            await using var batches = session.ReadAsync(after, cancellationToken).GetAsyncEnumerator(cancellationToken);
            while (await MoveNextAsync(batches, session, member, cancellationToken).ConfigureAwait(false))
            {
                after = batches.Current.Revision;
                yield return batches.Current;
            }
        }
    }

    /// <summary>False when the stream is over; the member is given up unless the stream ended in peace.</summary>
    private async ValueTask<bool> MoveNextAsync(
        IAsyncEnumerator<WatchBatch> batches,
        WatchSession session,
        EtcdMember.Session member,
        CancellationToken cancellationToken)
    {
        RpcException? error = null;
        try
        {
            if (await batches.MoveNextAsync().ConfigureAwait(false))
            {
                return true;
            }
        }
        catch (RpcException e)
        {
            error = e;
        }
        catch (OperationCanceledException)
        {
            // Ours, or the session's own: told apart below.
        }

        cancellationToken.ThrowIfCancellationRequested();
        pool.Abandon(member, session.IsStale ? null : error);
        return false;
    }
}
