using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.SchedulingGates;

/// <summary>A pod with scheduling gates is not looked at until the last gate is gone (KEP-3521).</summary>
internal sealed class SchedulingGatesPlugin : IPreEnqueuePlugin, IEnqueueExtensions
{
    public string Name => "SchedulingGates";

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.PendingPod, EventAction.UpdatePodSchedulingGatesEliminated)),
    ];

    public SchedulingStatus PreEnqueue(PodInfo pod) =>
        pod.Pod.Spec?.SchedulingGates is not { Count: > 0 } gates
            ? SchedulingStatus.Success
            : SchedulingStatus.Unresolvable(Name, $"waiting for scheduling gates: [{string.Join(' ', gates.Select(g => g.Name))}]");
}
