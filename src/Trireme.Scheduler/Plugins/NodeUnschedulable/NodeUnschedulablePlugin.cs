using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.NodeUnschedulable;

/// <summary>A cordoned node takes only pods that tolerate it.</summary>
internal sealed class NodeUnschedulablePlugin : IFilterPlugin, IEnqueueExtensions
{
    private static readonly SchedulingStatus Cordoned =
        SchedulingStatus.Unresolvable("NodeUnschedulable", "node(s) were unschedulable");

    private static readonly Taint UnschedulableTaint =
        new() { Key = "node.kubernetes.io/unschedulable", Effect = TaintEffect.NoSchedule };

    public string Name => "NodeUnschedulable";

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.Node, EventAction.Add | EventAction.UpdateNodeTaint), AfterNodeChanged),
    ];

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node) =>
        Accepts(pod, node) ? SchedulingStatus.Success : Cordoned;

    private static bool Accepts(PodInfo pod, NodeInfo node) =>
        !node.IsUnschedulable || pod.Tolerations.Tolerate(UnschedulableTaint);

    private static QueueingHint AfterNodeChanged(PodInfo pod, in ClusterChange change) =>
        change.NewNode is null || Accepts(pod, change.NewNode) ? QueueingHint.Queue : QueueingHint.Skip;
}
