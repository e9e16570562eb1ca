using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.NodeName;

/// <summary>A pod that already names a node goes nowhere else.</summary>
internal sealed class NodeNamePlugin : IFilterPlugin, IEnqueueExtensions
{
    private static readonly SchedulingStatus Mismatch =
        SchedulingStatus.Unresolvable("NodeName", "node(s) didn't match the requested node name");

    public string Name => "NodeName";

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.Node, EventAction.Add)),
    ];

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node) =>
        pod.NodeName is null || pod.NodeName == node.Name ? SchedulingStatus.Success : Mismatch;
}
