using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.NodeAffinity;

/// <summary><c>nodeSelector</c> and required node affinity choose nodes; preferred terms rank them by the sum of their weights.</summary>
internal sealed class NodeAffinityPlugin : IPreFilterPlugin, IFilterPlugin, IPreScorePlugin, IScorePlugin, IEnqueueExtensions
{
    private static readonly SchedulingStatus Mismatch =
        SchedulingStatus.Unresolvable("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");

    private static readonly SchedulingStatus Conflict =
        SchedulingStatus.Unresolvable("NodeAffinity", "pod affinity terms conflict");

    public string Name => "NodeAffinity";

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.Node, EventAction.Add | EventAction.UpdateNodeLabel), AfterNodeChanged),
    ];

    public PreFilterResult PreFilter(CycleState state, PodInfo pod, Snapshot snapshot)
    {
        if (pod.NodeAffinity.IsEmpty)
        {
            return PreFilterResult.Skip;
        }

        return pod.NodeAffinity.NodeNames() switch
        {
            null => PreFilterResult.Success,
            { Count: 0 } => new PreFilterResult(Conflict),
            var names => new PreFilterResult(SchedulingStatus.Success, names),
        };
    }

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node) =>
        pod.NodeAffinity.Matches(node) ? SchedulingStatus.Success : Mismatch;

    public SchedulingStatus PreScore(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot) =>
        pod.NodeAffinity.Preferred.Length == 0 ? SchedulingStatus.Skip : SchedulingStatus.Success;

    public long Score(CycleState state, PodInfo pod, NodeInfo node)
    {
        long score = 0;
        foreach (var (term, weight) in pod.NodeAffinity.Preferred)
        {
            if (term.Matches(node))
            {
                score += weight;
            }
        }

        return score;
    }

    public void NormalizeScores(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Span<long> scores) =>
        NodeScore.Normalize(scores, reverse: false);

    private static QueueingHint AfterNodeChanged(PodInfo pod, in ClusterChange change)
    {
        if (change.NewNode is null)
        {
            return QueueingHint.Queue;
        }

        var matched = change.OldNode is not null && pod.NodeAffinity.Matches(change.OldNode);
        return !matched && pod.NodeAffinity.Matches(change.NewNode) ? QueueingHint.Queue : QueueingHint.Skip;
    }
}
