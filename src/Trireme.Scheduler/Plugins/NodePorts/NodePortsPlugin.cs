using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.NodePorts;

/// <summary>Host ports are taken once per node, address and protocol.</summary>
internal sealed class NodePortsPlugin : IPreFilterPlugin, IFilterPlugin, IEnqueueExtensions
{
    private static readonly SchedulingStatus Conflict =
        SchedulingStatus.Unschedulable("NodePorts", "node(s) didn't have free ports for the requested pod ports");

    public string Name => "NodePorts";

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.AssignedPod, EventAction.Delete), AfterPodDeleted),
        new(new ClusterEvent(EventResource.Node, EventAction.Add)),
    ];

    public PreFilterResult PreFilter(CycleState state, PodInfo pod, Snapshot snapshot) =>
        pod.HostPorts.Length == 0 ? PreFilterResult.Skip : PreFilterResult.Success;

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node) =>
        node.HasFree(pod.HostPorts) ? SchedulingStatus.Success : Conflict;

    private static QueueingHint AfterPodDeleted(PodInfo pod, in ClusterChange change)
    {
        var freed = change.OldPod?.HostPorts ?? [];
        return Array.Exists(pod.HostPorts, p => Array.Exists(freed, p.ConflictsWith)) ? QueueingHint.Queue : QueueingHint.Skip;
    }
}
