using System.Collections.Concurrent;
using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.TaintToleration;

/// <summary>A node with an untolerated NoSchedule or NoExecute taint is out; one with few untolerated PreferNoSchedule taints is better.</summary>
internal sealed class TaintTolerationPlugin : IFilterPlugin, IPreScorePlugin, IScorePlugin, IEnqueueExtensions
{
    /// <summary>Verdicts by key and value of the taint: few distinct ones exist, and each may be given many thousand times.</summary>
    private readonly ConcurrentDictionary<(string?, string?), SchedulingStatus> _verdicts = new();

    public string Name => "TaintToleration";

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.Node, EventAction.Add | EventAction.UpdateNodeTaint), AfterNodeChanged),
        new(new ClusterEvent(EventResource.PendingPod, EventAction.UpdatePodToleration)),
    ];

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node)
    {
        if (node.Taints.Length == 0 || pod.Tolerations.FirstUntolerated(node.Taints) is not { } taint)
        {
            return SchedulingStatus.Success;
        }

        return _verdicts.GetOrAdd(
            (taint.Key, taint.Value),
            static t => SchedulingStatus.Unresolvable("TaintToleration", $"node(s) had untolerated taint {{{t.Item1}: {t.Item2}}}"));
    }

    public SchedulingStatus PreScore(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot)
    {
        foreach (var node in nodes)
        {
            if (Array.Exists(node.Taints, t => t.Effect == TaintEffect.PreferNoSchedule))
            {
                return SchedulingStatus.Success;
            }
        }

        // Every node would get the same score.
        return SchedulingStatus.Skip;
    }

    public long Score(CycleState state, PodInfo pod, NodeInfo node)
    {
        long intolerable = 0;
        foreach (var taint in node.Taints)
        {
            if (taint.Effect == TaintEffect.PreferNoSchedule && !Tolerations.Tolerate(pod.Tolerations.PreferNoSchedule, taint))
            {
                intolerable++;
            }
        }

        return intolerable;
    }

    public void NormalizeScores(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Span<long> scores) =>
        NodeScore.Normalize(scores, reverse: true);

    private static QueueingHint AfterNodeChanged(PodInfo pod, in ClusterChange change)
    {
        if (change.NewNode is null)
        {
            return QueueingHint.Queue;
        }

        var tolerated = change.OldNode is not null && pod.Tolerations.FirstUntolerated(change.OldNode.Taints) is null;
        return !tolerated && pod.Tolerations.FirstUntolerated(change.NewNode.Taints) is null ? QueueingHint.Queue : QueueingHint.Skip;
    }
}
