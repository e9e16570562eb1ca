using Microsoft.Extensions.Logging;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;

namespace Trireme.Kubelet.Pleg;

/// <summary>Pod lifecycle event generator: notices at the runtime what nobody told the kubelet, and wakes the pod's worker.</summary>
/// <remarks>
/// Everything is listed once per period. Where the runtime has events (containerd 1.7, CRI-O) they wake workers at once and the list is only
/// the safety net, asked for less often.
/// </remarks>
public sealed class GenericPleg(ICri cri, Action<string> wake, TimeSpan period, TimeProvider time, ILogger<GenericPleg> logger)
{
    private const int EventedSlowdown = 10;
    private static readonly TimeSpan _unhealthyAfter = TimeSpan.FromMinutes(3);

    private volatile PlegSnapshot _last = PlegSnapshot.Empty;
    private volatile bool _evented;
    private long _lastRelist = time.GetTimestamp();

    /// <summary>Why the generator cannot be relied on; null when it can.</summary>
    public string? Unhealthy
    {
        get
        {
            var silent = time.GetElapsedTime(Volatile.Read(ref _lastRelist));
            return silent < _unhealthyAfter ? null : $"PLEG is not healthy: pleg was last seen active {(int)silent.TotalSeconds}s ago";
        }
    }

    /// <summary>Uids of the pods that the runtime had at the last look.</summary>
    public IReadOnlyCollection<string> Pods => [.. _last.Parts.Values.Select(p => p.PodUid).Distinct()];

    public Task RunAsync(CancellationToken cancellationToken) =>
        Loops.RunTogetherAsync(cancellationToken, RelistLoopAsync, EventLoopAsync);

    /// <summary>Looks once and wakes the workers of what has changed.</summary>
    public async Task RelistAsync(CancellationToken cancellationToken)
    {
        var sandboxes = cri.ListPodSandboxAsync(null, cancellationToken);
        var containers = cri.ListContainersAsync(null, cancellationToken);
        var now = PlegSnapshot.Of(await sandboxes, await containers);
        var before = _last;
        _last = now;
        Volatile.Write(ref _lastRelist, time.GetTimestamp());
        foreach (var uid in PlegDiff.ChangedPods(before, now))
        {
            wake(uid);
        }
    }

    private async Task RelistLoopAsync(CancellationToken cancellationToken)
    {
        string? failure = null;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await RelistAsync(cancellationToken);
                failure = null;
            }
            catch (CriException e)
            {
                // Told once, not every second for as long as the runtime is away.
                if (failure != e.Message)
                {
                    logger.LogWarning("Container runtime was not listed: {Error}", e.Message);
                }

                failure = e.Message;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(_evented ? period * EventedSlowdown : period, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task EventLoopAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await foreach (var change in cri.GetContainerEventsAsync(cancellationToken))
                {
                    _evented = true;
                    if (change.PodSandboxStatus?.Labels.TryGetValue(RuntimeLabels.PodUid, out var uid) == true)
                    {
                        wake(uid);
                    }
                }
            }
            catch (CriException e) when (e.IsUnimplemented)
            {
                return;
            }
            catch (CriException)
            {
                // The runtime is restarting: relisting tells; try again.
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            _evented = false;
            await Task.Delay(TimeSpan.FromSeconds(5), time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
