using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.InterPodAffinity;

internal sealed partial class InterPodAffinityPlugin
{
    /// <summary>What a required affinity of an existing pod counts for, when a new pod would satisfy it: pods attract each other both ways.</summary>
    private const int HardPodAffinityWeight = 1;

    private static readonly CycleStateKey<ScoreState> ScoreKey = new();

    public SchedulingStatus PreScore(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot)
    {
        if (pod.PreferredAffinity.Length == 0 && snapshot.NodesWithAffinity.Count == 0)
        {
            return SchedulingStatus.Skip;
        }

        var scores = new TopologyCounts();
        foreach (var (term, weight) in pod.PreferredAffinity)
        {
            foreach (var node in snapshot.NodeSpan)
            {
                foreach (ref readonly var entry in node.PodGroups)
                {
                    if (term.Matches(entry.Group, lister.NamespaceLabels(entry.Group.Namespace)))
                    {
                        scores.Add(term.TopologyKey, node, (long)weight * entry.Count);
                    }
                }
            }
        }

        AddExisting(scores, pod, snapshot);
        if (scores.IsEmpty)
        {
            return SchedulingStatus.Skip;
        }

        state.Write(ScoreKey, new ScoreState(scores));
        return SchedulingStatus.Success;
    }

    public long Score(CycleState state, PodInfo pod, NodeInfo node) => state.Read(ScoreKey)!.Scores.SumAt(node);

    public void NormalizeScores(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Span<long> scores)
    {
        var (min, max) = (long.MaxValue, long.MinValue);
        foreach (var score in scores)
        {
            min = Math.Min(min, score);
            max = Math.Max(max, score);
        }

        for (var i = 0; i < scores.Length; i++)
        {
            scores[i] = max == min ? 0 : (long)(NodeScore.Max * ((double)(scores[i] - min) / (max - min)));
        }
    }

    private void AddExisting(TopologyCounts scores, PodInfo pod, Snapshot snapshot)
    {
        var labels = lister.NamespaceLabels(pod.Namespace);
        foreach (var node in snapshot.NodesWithAffinity)
        {
            foreach (var existing in node.PodsWithAffinity)
            {
                foreach (var term in existing.RequiredAffinity)
                {
                    if (term.Matches(pod.Group, labels))
                    {
                        scores.Add(term.TopologyKey, node, HardPodAffinityWeight);
                    }
                }

                foreach (var (term, weight) in existing.PreferredAffinity)
                {
                    if (term.Matches(pod.Group, labels))
                    {
                        scores.Add(term.TopologyKey, node, weight);
                    }
                }
            }
        }
    }

    private sealed class ScoreState(TopologyCounts scores) : ICycleStateData
    {
        public TopologyCounts Scores { get; } = scores;

        // Scoring happens once per cycle; nobody tries changes on it.
        public ICycleStateData Clone() => this;
    }
}
