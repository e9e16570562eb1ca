using Grpc.Core;
using Trireme.Primitives;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>Makes one call, on as many members as it takes, within a total time.</summary>
/// <remarks>When no member has been usable for longer than that total time, a call waits only as long as a probe takes: callers learn at once what they would
/// learn anyhow, and do not queue up.</remarks>
internal sealed class FailoverCaller(MemberPool pool, EtcdOptions options, TimeProvider timeProvider, Random? random = null)
{
    // A busy cluster gets busier by hundreds of callers that ask again at once, and in step.
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMilliseconds(200);
    private const double PauseJitter = 0.6;

    private readonly Lock _lock = new();

    // Guarded by _lock.
    private readonly Random _random = random ?? new Random();

    /// <summary>Repeats a call until a member answers it. The call must be one that may be repeated.</summary>
    /// <exception cref="StoreUnavailableException">No answer in time. Its MayHaveApplied says whether any attempt may have had an effect.</exception>
    /// <exception cref="RpcException">An answer that is an error and would be the same elsewhere; see <see cref="EtcdErrors.Judge"/>.</exception>
    public async ValueTask<TResponse> CallAsync<TRequest, TResponse>(
        TRequest request,
        Func<EtcdChannel, TRequest, CallOptions, AsyncUnaryCall<TResponse>> start,
        CancellationToken cancellationToken) => (await CallCountingAsync(request, start, cancellationToken).ConfigureAwait(false)).Response;

    /// <summary>As <see cref="CallAsync"/>, and says whether the answer may be that to a repetition.</summary>
    public async ValueTask<Answer<TResponse>> CallCountingAsync<TRequest, TResponse>(
        TRequest request,
        Func<EtcdChannel, TRequest, CallOptions, AsyncUnaryCall<TResponse>> start,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var patience = pool.IsLost ? options.ProbeTimeout : options.TotalTimeout;
        using var total = new CancellationTokenSource(patience, timeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(total.Token, cancellationToken);
        var mayHaveApplied = false;
        RpcException? last = null;
        Backoff? backoff = null;
        for (var attempt = 0; ; attempt++)
        {
            EtcdMember.Session session;
            try
            {
                stop.Token.ThrowIfCancellationRequested();
                session = await pool.GetAsync(stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw Unavailable(patience, last, mayHaveApplied);
            }

            try
            {
                var timeout = attempt == 0 ? options.AttemptTimeout : options.AttemptTimeout * 2;
                var deadline = (timeProvider.GetUtcNow() + timeout).UtcDateTime;
                using var call = start(
                    session.Channel, request, new CallOptions(deadline: deadline, cancellationToken: stop.Token));
                return new Answer<TResponse>(await call.ResponseAsync.ConfigureAwait(false), mayHaveApplied);
            }
            catch (RpcException e)
            {
                cancellationToken.ThrowIfCancellationRequested();
                last = e;
                mayHaveApplied |= EtcdErrors.MayHaveApplied(e);
                if (total.IsCancellationRequested)
                {
                    throw Unavailable(patience, e, mayHaveApplied);
                }

                switch (EtcdErrors.Judge(e))
                {
                    case EtcdVerdict.TryElsewhere:
                        pool.Abandon(session, e);
                        break;
                    case EtcdVerdict.Doubt:
                        await pool.DoubtAsync(session, e).WaitAsync(stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                        break;
                    case EtcdVerdict.TryAgain:
                        backoff ??= NewBackoff();
                        await Task.Delay(backoff.Next(), timeProvider, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                        break;
                    case EtcdVerdict.Refused when mayHaveApplied:
                        throw EtcdErrors.Refused(e, mayHaveApplied: true);
                    default:
                        throw;
                }
            }
        }
    }

    private Backoff NewBackoff()
    {
        lock (_lock)
        {
            return new Backoff(s_firstPause, s_longestPause, 2, PauseJitter, new Random(_random.Next()));
        }
    }

    private StoreUnavailableException Unavailable(TimeSpan patience, RpcException? last, bool mayHaveApplied)
    {
        var trouble = pool.Trouble;
        var reason = trouble.Length > 0 ? trouble : last?.Status.Detail ?? "no member answered";
        return new StoreUnavailableException(
            patience == options.TotalTimeout
                ? $"etcd did not answer within {patience.TotalSeconds} s ({reason})"
                : $"etcd has had no member that can be used for more than {options.TotalTimeout.TotalSeconds} s ({reason})",
            mayHaveApplied,
            last);
    }
}
