using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.PodTopologySpread;

internal sealed partial class PodTopologySpreadPlugin
{
    private const string HostnameLabel = "kubernetes.io/hostname";

    /// <summary>Score of a node that lacks a topology label and so is never spread to.</summary>
    private const long Ignored = -1;

    private static readonly CycleStateKey<ScoreState> ScoreKey = new();

    public SchedulingStatus PreScore(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot)
    {
        var own = pod.SpreadConstraints.Length > 0;
        var constraints = own ? Array.FindAll(pod.SpreadConstraints, c => !c.Required) : SystemDefaults(pod);
        if (constraints.Length == 0)
        {
            return SchedulingStatus.Skip;
        }

        // The system defaults are best effort: a node without a zone is still spread over by host name.
        var scoreState = new ScoreState(constraints, requireAllKeys: own);
        var scored = 0;
        foreach (var node in nodes)
        {
            if (own && !HasAllKeys(node, constraints))
            {
                continue;
            }

            scored++;
            foreach (var topology in scoreState.Topologies)
            {
                topology.Offer(node);
            }
        }

        foreach (var topology in scoreState.Topologies)
        {
            topology.SetWeight(scored);
        }

        // Domains with many nodes are counted once here; a host is a domain of its own and is counted when it is scored.
        if (Array.Exists(scoreState.Topologies, t => !t.IsHostname))
        {
            foreach (var node in snapshot.NodeSpan)
            {
                if (own && !HasAllKeys(node, constraints))
                {
                    continue;
                }

                foreach (var topology in scoreState.Topologies)
                {
                    topology.CountOthers(pod, node);
                }
            }
        }

        state.Write(ScoreKey, scoreState);
        return SchedulingStatus.Success;
    }

    public long Score(CycleState state, PodInfo pod, NodeInfo node)
    {
        var scoreState = state.Read(ScoreKey)!;
        if (scoreState.RequireAllKeys && !HasAllKeys(node, scoreState.Constraints))
        {
            return Ignored;
        }

        double score = 0;
        foreach (var topology in scoreState.Topologies)
        {
            score += topology.Score(pod, node);
        }

        return (long)Math.Round(score, MidpointRounding.AwayFromZero);
    }

    public void NormalizeScores(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Span<long> scores)
    {
        var (min, max) = (long.MaxValue, 0L);
        foreach (var score in scores)
        {
            if (score != Ignored)
            {
                min = Math.Min(min, score);
                max = Math.Max(max, score);
            }
        }

        for (var i = 0; i < scores.Length; i++)
        {
            scores[i] = scores[i] == Ignored ? 0 : max == 0 ? NodeScore.Max : NodeScore.Max * (max + min - scores[i]) / max;
        }
    }

    /// <summary>What upstream applies to pods of services and workloads that say nothing themselves: zones first, then hosts, both soft.</summary>
    private SpreadConstraint[] SystemDefaults(PodInfo pod)
    {
        var selector = lister.DefaultSelector(pod);
        return selector.IsNothing || selector.IsEverything
            ? []
            :
            [
                new SpreadConstraint(5, HostnameLabel, false, selector, 1, HonorAffinity: true, HonorTaints: false),
                new SpreadConstraint(3, NodeTree.ZoneLabel, false, selector, 1, HonorAffinity: true, HonorTaints: false),
            ];
    }

    private sealed class Topology(SpreadConstraint constraint)
    {
        private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);
        private double _weight;

        public bool IsHostname { get; } = constraint.TopologyKey == HostnameLabel;

        /// <summary>Opens the domain of a node that will be scored.</summary>
        public void Offer(NodeInfo node)
        {
            if (!IsHostname && node.Labels.TryGetValue(constraint.TopologyKey, out var value))
            {
                _counts.TryAdd(value, 0);
            }
        }

        /// <summary>Few large domains must not be drowned by many small ones.</summary>
        public void SetWeight(int scoredNodes) => _weight = Math.Log((IsHostname ? scoredNodes : _counts.Count) + 2);

        public void CountOthers(PodInfo pod, NodeInfo node)
        {
            if (!IsHostname && node.Labels.TryGetValue(constraint.TopologyKey, out var value) && _counts.TryGetValue(value, out var count)
                && constraint.Includes(pod, node))
            {
                _counts[value] = count + constraint.CountOn(node, pod.Namespace);
            }
        }

        public double Score(PodInfo pod, NodeInfo node)
        {
            if (!node.Labels.TryGetValue(constraint.TopologyKey, out var value))
            {
                return 0;
            }

            var count = IsHostname ? constraint.CountOn(node, pod.Namespace) : _counts.GetValueOrDefault(value);
            return (count * _weight) + (constraint.MaxSkew - 1);
        }
    }

    private sealed class ScoreState(SpreadConstraint[] constraints, bool requireAllKeys) : ICycleStateData
    {
        public SpreadConstraint[] Constraints { get; } = constraints;

        public bool RequireAllKeys { get; } = requireAllKeys;

        public Topology[] Topologies { get; } = Array.ConvertAll(constraints, c => new Topology(c));

        // Scoring happens once per cycle; nobody tries changes on it.
        public ICycleStateData Clone() => this;
    }
}
