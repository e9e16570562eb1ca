using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.NodeResources;

/// <summary>Prefers nodes on which CPU and memory would be used to a like degree, so that neither is left over alone.</summary>
internal sealed class BalancedAllocationPlugin : IPreScorePlugin, IScorePlugin
{
    public string Name => "NodeResourcesBalancedAllocation";

    /// <summary>A pod that asks for nothing balances nothing.</summary>
    public SchedulingStatus PreScore(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot) =>
        pod.Requests.MilliCpu == 0 && pod.Requests.Memory == 0 && pod.Requests.EphemeralStorage == 0 && pod.Requests.Scalars is null
            ? SchedulingStatus.Skip
            : SchedulingStatus.Success;

    public long Score(CycleState state, PodInfo pod, NodeInfo node)
    {
        var cpu = Fraction(node.Requested.MilliCpu + pod.Requests.MilliCpu, node.Allocatable.MilliCpu);
        var memory = Fraction(node.Requested.Memory + pod.Requests.Memory, node.Allocatable.Memory);

        // The standard deviation of two values is half their distance.
        return (long)((1 - (Math.Abs(cpu - memory) / 2)) * NodeScore.Max);
    }

    private static double Fraction(long requested, long allocatable) =>
        allocatable <= 0 ? 1 : Math.Min(1, (double)requested / allocatable);
}
