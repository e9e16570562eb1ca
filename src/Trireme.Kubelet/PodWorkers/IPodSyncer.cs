using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.PodWorkers;

/// <summary>What a sync of a pod says about the next one.</summary>
/// <param name="IsTerminal">The pod has ended: it shall terminate and not be synced again.</param>
/// <param name="RetryAfter">When to sync again; null for the usual period.</param>
/// <param name="Failed">Something did not work: sync again with growing pauses.</param>
public readonly record struct SyncOutcome(bool IsTerminal, TimeSpan? RetryAfter = null, bool Failed = false);

/// <summary>The work of a pod worker. One pod is worked on by one caller at a time; each step may be repeated.</summary>
public interface IPodSyncer
{
    /// <summary>Brings a pod nearer to what its spec says.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="cancellationToken">Cancelled when the pod shall terminate.</param>
    Task<SyncOutcome> SyncPodAsync(Pod pod, CancellationToken cancellationToken);

    /// <summary>Stops all containers. Returns when none runs any more.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="grace">Time that containers have.</param>
    /// <param name="failure">Why the kubelet ends the pod by itself; null when it was deleted or has ended.</param>
    /// <param name="cancellationToken">Cancelled when the grace was shortened.</param>
    Task SyncTerminatingPodAsync(Pod pod, TimeSpan grace, WaitingReason? failure, CancellationToken cancellationToken);

    /// <summary>Takes down what a stopped pod had on the machine.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="removed">Whether the pod is deleted: then its containers and logs go too.</param>
    /// <param name="cancellationToken">Cancelled when the kubelet stops.</param>
    Task SyncTerminatedPodAsync(Pod pod, bool removed, CancellationToken cancellationToken);
}
