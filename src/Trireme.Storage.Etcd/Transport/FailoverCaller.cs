using Grpc.Core;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>Makes one call, on as many members as it takes, within a total time.</summary>
internal sealed class FailoverCaller(MemberPool pool, EtcdOptions options, TimeProvider timeProvider)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Repeats a call until a member answers it. The call must be one that may be repeated.</summary>
    /// <exception cref="StoreUnavailableException">No answer in time. Its MayHaveApplied says whether any attempt may have had an effect.</exception>
    /// <exception cref="RpcException">An answer that is an error and would be the same elsewhere; see <see cref="EtcdErrors.Judge"/>.</exception>
    public async ValueTask<TResponse> CallAsync<TRequest, TResponse>(
        TRequest request,
        Func<EtcdChannel, TRequest, CallOptions, AsyncUnaryCall<TResponse>> start,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var total = new CancellationTokenSource(options.TotalTimeout, timeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(total.Token, cancellationToken);
        var mayHaveApplied = false;
        RpcException? last = null;
        for (var attempt = 0; ; attempt++)
        {
            EtcdMember.Session session;
            try
            {
                session = await pool.GetAsync(stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw Unavailable(last, mayHaveApplied);
            }

            try
            {
                var timeout = attempt == 0 ? options.AttemptTimeout : options.AttemptTimeout * 2;
                var deadline = (timeProvider.GetUtcNow() + timeout).UtcDateTime;
                using var call = start(
                    session.Channel, request, new CallOptions(deadline: deadline, cancellationToken: stop.Token));
                return await call.ResponseAsync.ConfigureAwait(false);
            }
            catch (RpcException e)
            {
                cancellationToken.ThrowIfCancellationRequested();
                last = e;
                mayHaveApplied |= EtcdErrors.MayHaveApplied(e);
                if (total.IsCancellationRequested)
                {
                    throw Unavailable(e, mayHaveApplied);
                }

                switch (EtcdErrors.Judge(e))
                {
                    case EtcdVerdict.TryElsewhere:
                        pool.Abandon(session, e);
                        break;
                    case EtcdVerdict.TryAgain:
                        await Task.Delay(s_pause, timeProvider, CancellationToken.None).ConfigureAwait(false);
                        break;
                    case EtcdVerdict.Refused when mayHaveApplied:
                        throw new StoreUnavailableException(
                            $"etcd refused: {e.Status.Detail}", mayHaveApplied: true, e);
                    default:
                        throw;
                }
            }
        }
    }

    private StoreUnavailableException Unavailable(RpcException? last, bool mayHaveApplied)
    {
        var trouble = pool.Trouble;
        var reason = trouble.Length > 0 ? trouble : last?.Status.Detail ?? "no member answered";
        return new StoreUnavailableException(
            $"etcd did not answer within {options.TotalTimeout.TotalSeconds} s ({reason})", mayHaveApplied, last);
    }
}
