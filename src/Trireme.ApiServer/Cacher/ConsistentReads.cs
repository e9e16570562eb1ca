using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Makes reads from the cache linearizable: asks the store for its newest revision and waits until the cache has it. Many readers share a probe.
/// </summary>
/// <remarks>
/// A reader may only use a probe that began after it arrived, so at most one probe is under way and one is waiting to begin, however many
/// readers there are. When the store does not answer within <see cref="Patience"/> (less, once it has failed to) the read is answered from the cache and marked: reads
/// survive the loss of quorum, and never pretend (design, "Degrade, never lie").
/// </remarks>
public sealed class ConsistentReads(IRevisionedStore store, Reflector reflector, TimeProvider time)
{
    /// <summary>How long a reader waits before it gets the cached state with a warning.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>How long a reader waits while the store is known to be away: enough for an answer of one that is back, and no burden on every read of an outage.</summary>
    public static readonly TimeSpan OutagePatience = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private Task<Revision?>? _next;
    private Task _running = Task.CompletedTask;
    private volatile bool _isAway; // the newest probe failed

    /// <summary>Waits until the cache shows every write that was acknowledged before the call.</summary>
    /// <returns>False when that could not be confirmed in time; the caller then answers what there is and says so.</returns>
    public async ValueTask<bool> ConfirmAsync(CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(_isAway ? OutagePatience : Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            if (await NewestAsync().WaitAsync(either.Token) is not { } newest)
            {
                return false;
            }

            await reflector.WaitForAsync(newest, either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    private Task<Revision?> NewestAsync()
    {
        lock (_gate)
        {
            if (_next is null)
            {
                _next = ProbeAfterAsync(_running);
                _running = _next;
            }

            return _next;
        }
    }

    private async Task<Revision?> ProbeAfterAsync(Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        lock (_gate)
        {
            // From here on this probe has begun: who comes now needs the next one.
            _next = null;
        }

        using var deadline = new CancellationTokenSource(Patience, time);
        try
        {
            var newest = await store.CurrentRevisionAsync(deadline.Token);
            _isAway = false;
            return newest;
        }
        catch (Exception e) when (e is StoreUnavailableException or OperationCanceledException)
        {
            _isAway = true;
            return null;
        }
    }
}
