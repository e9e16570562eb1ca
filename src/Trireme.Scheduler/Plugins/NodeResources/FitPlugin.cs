using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.NodeResources;

/// <summary>A node must have room for the pod's requests; the emptier it stays, the better (LeastAllocated).</summary>
internal sealed class FitPlugin : IFilterPlugin, IScorePlugin, IEnqueueExtensions
{
    private const string PluginName = "NodeResourcesFit";

    /// <summary>Verdicts without extended resources, by which of the four basic ones lack and whether that can be resolved.</summary>
    private static readonly SchedulingStatus[] Verdicts = [.. Enumerable.Range(0, 32).Select(i => Verdict((Lack)i, null))];

    [Flags]
    private enum Lack
    {
        None = 0,
        Pods = 1,
        Cpu = 2,
        Memory = 4,
        EphemeralStorage = 8,

        /// <summary>The request exceeds what the node has at all, so no eviction can help.</summary>
        Unresolvable = 16,
    }

    public string Name => PluginName;

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.AssignedPod, EventAction.Delete | EventAction.UpdatePodScaleDown), AfterPodChanged),
        new(new ClusterEvent(EventResource.PendingPod, EventAction.UpdatePodScaleDown)),
        new(new ClusterEvent(EventResource.Node, EventAction.Add | EventAction.UpdateNodeAllocatable), AfterNodeChanged),
    ];

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node)
    {
        var request = pod.Requests;
        var allocatable = node.Allocatable;
        var requested = node.Requested;
        var lack = node.Pods.Length + 1 > allocatable.AllowedPods ? Lack.Pods : Lack.None;
        lack |= Compare(request.MilliCpu, requested.MilliCpu, allocatable.MilliCpu, Lack.Cpu);
        lack |= Compare(request.Memory, requested.Memory, allocatable.Memory, Lack.Memory);
        lack |= Compare(request.EphemeralStorage, requested.EphemeralStorage, allocatable.EphemeralStorage, Lack.EphemeralStorage);
        if (request.Scalars is null)
        {
            return lack == Lack.None ? SchedulingStatus.Success : Verdicts[(int)lack];
        }

        List<string>? scalars = null;
        foreach (var (name, amount) in request.Scalars)
        {
            if (amount > 0 && amount > allocatable.Scalar(name) - requested.Scalar(name))
            {
                (scalars ??= []).Add(name);
                lack |= amount > allocatable.Scalar(name) ? Lack.Unresolvable : Lack.None;
            }
        }

        return lack == Lack.None && scalars is null ? SchedulingStatus.Success : scalars is null ? Verdicts[(int)lack] : Verdict(lack, scalars);
    }

    public long Score(CycleState state, PodInfo pod, NodeInfo node)
    {
        long score = 0;
        long weights = 0;
        Add(node.Allocatable.MilliCpu, node.NonZeroMilliCpu + pod.NonZeroMilliCpu, ref score, ref weights);
        Add(node.Allocatable.Memory, node.NonZeroMemory + pod.NonZeroMemory, ref score, ref weights);
        return weights == 0 ? 0 : score / weights;
    }

    /// <summary>Whether the pod would fit if the node were empty.</summary>
    private static bool FitsEmpty(PodInfo pod, NodeInfo node)
    {
        var request = pod.Requests;
        var allocatable = node.Allocatable;
        return allocatable.AllowedPods > 0 && request.MilliCpu <= allocatable.MilliCpu && request.Memory <= allocatable.Memory
            && request.EphemeralStorage <= allocatable.EphemeralStorage
            && (request.Scalars is null || request.Scalars.All(s => s.Value <= allocatable.Scalar(s.Key)));
    }

    private static void Add(long allocatable, long requested, ref long score, ref long weights)
    {
        if (allocatable <= 0)
        {
            return;
        }

        weights++;
        score += requested > allocatable ? 0 : (allocatable - requested) * NodeScore.Max / allocatable;
    }

    private static Lack Compare(long request, long requested, long allocatable, Lack flag)
    {
        if (request == 0 || request <= allocatable - requested)
        {
            return Lack.None;
        }

        return request > allocatable ? flag | Lack.Unresolvable : flag;
    }

    private static SchedulingStatus Verdict(Lack lack, List<string>? scalars)
    {
        var reasons = new List<string>();
        AddReason(Lack.Pods, "Too many pods");
        AddReason(Lack.Cpu, $"Insufficient {ResourceName.Cpu}");
        AddReason(Lack.Memory, $"Insufficient {ResourceName.Memory}");
        AddReason(Lack.EphemeralStorage, $"Insufficient {ResourceName.EphemeralStorage}");
        reasons.AddRange((scalars ?? []).Select(s => $"Insufficient {s}"));
        return new SchedulingStatus(
            lack.HasFlag(Lack.Unresolvable) ? SchedulingCode.UnschedulableAndUnresolvable : SchedulingCode.Unschedulable,
            PluginName,
            [.. reasons]);

        void AddReason(Lack flag, string reason)
        {
            if (lack.HasFlag(flag))
            {
                reasons.Add(reason);
            }
        }
    }

    private static QueueingHint AfterPodChanged(PodInfo pod, in ClusterChange change)
    {
        if (change.OldPod is null)
        {
            return QueueingHint.Queue;
        }

        // A pod frees a place on its node even if it had asked for nothing; while it is only scaled down, it must be something that is wanted here.
        if (change.Event.Action.HasFlag(EventAction.Delete))
        {
            return QueueingHint.Queue;
        }

        var freed = change.OldPod.Requests;
        var wanted = pod.Requests;
        return (wanted.MilliCpu > 0 && freed.MilliCpu > 0) || (wanted.Memory > 0 && freed.Memory > 0)
            || (wanted.EphemeralStorage > 0 && freed.EphemeralStorage > 0)
            || (wanted.Scalars?.Keys.Any(k => freed.Scalar(k) > 0) ?? false)
            ? QueueingHint.Queue
            : QueueingHint.Skip;
    }

    private static QueueingHint AfterNodeChanged(PodInfo pod, in ClusterChange change) =>
        change.NewNode is null || FitsEmpty(pod, change.NewNode) ? QueueingHint.Queue : QueueingHint.Skip;
}
