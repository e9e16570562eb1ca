using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.PodTopologySpread;

/// <summary>Spreads pods over the domains of a topology (KEP-895): DoNotSchedule bounds the skew here, ScheduleAnyway ranks nodes in the Score half.</summary>
internal sealed partial class PodTopologySpreadPlugin(IClusterLister lister)
    : IPreFilterPlugin, IPreFilterExtensions, IFilterPlugin, IPreScorePlugin, IScorePlugin, IEnqueueExtensions
{
    private const string PluginName = "PodTopologySpread";

    private static readonly CycleStateKey<FilterState> FilterKey = new();

    private static readonly SchedulingStatus SkewTooLarge =
        SchedulingStatus.Unschedulable(PluginName, "node(s) didn't match pod topology spread constraints");

    private static readonly SchedulingStatus MissingLabel = SchedulingStatus.Unresolvable(
        PluginName, "node(s) didn't match pod topology spread constraints (missing required label)");

    public string Name => PluginName;

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.AssignedPod, EventAction.Add | EventAction.Delete | EventAction.UpdatePodLabel), AfterPodChanged),
        new(new ClusterEvent(EventResource.PendingPod, EventAction.UpdatePodLabel)),
        new(new ClusterEvent(EventResource.Node, EventAction.Add | EventAction.Delete | EventAction.UpdateNodeLabel | EventAction.UpdateNodeTaint), AfterNodeChanged),
    ];

    public PreFilterResult PreFilter(CycleState state, PodInfo pod, Snapshot snapshot)
    {
        var constraints = Array.FindAll(pod.SpreadConstraints, c => c.Required);
        if (constraints.Length == 0)
        {
            return PreFilterResult.Skip;
        }

        var domains = Array.ConvertAll(constraints, c => new Domains(c));
        foreach (var node in snapshot.NodeSpan)
        {
            if (!HasAllKeys(node, constraints))
            {
                continue;
            }

            foreach (var domain in domains)
            {
                if (domain.Constraint.Includes(pod, node))
                {
                    domain.Add(node.Labels[domain.Constraint.TopologyKey], domain.Constraint.CountOn(node, pod.Namespace));
                }
            }
        }

        state.Write(FilterKey, new FilterState(domains));
        return PreFilterResult.Success;
    }

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node)
    {
        foreach (var domain in state.Read(FilterKey)!.Domains)
        {
            var constraint = domain.Constraint;
            if (!node.Labels.TryGetValue(constraint.TopologyKey, out var value))
            {
                return MissingLabel;
            }

            var self = constraint.Selector.Matches(pod.Group.Labels) ? 1 : 0;
            var skew = domain.CountOf(value) + self - domain.Minimum();
            if (skew > constraint.MaxSkew)
            {
                return SkewTooLarge;
            }
        }

        return SchedulingStatus.Success;
    }

    public void AddPod(CycleState state, PodInfo podToSchedule, PodInfo podToAdd, NodeInfo node) =>
        Update(state, podToSchedule, podToAdd, node, 1);

    public void RemovePod(CycleState state, PodInfo podToSchedule, PodInfo podToRemove, NodeInfo node) =>
        Update(state, podToSchedule, podToRemove, node, -1);

    private static void Update(CycleState state, PodInfo podToSchedule, PodInfo other, NodeInfo node, int change)
    {
        if (state.Read(FilterKey) is not { } filterState || other.Namespace != podToSchedule.Namespace || other.IsTerminating
            || !HasAllKeys(node, Array.ConvertAll(filterState.Domains, d => d.Constraint)))
        {
            return;
        }

        foreach (var domain in filterState.Domains)
        {
            if (domain.Constraint.Selector.Matches(other.Group.Labels) && domain.Constraint.Includes(podToSchedule, node))
            {
                domain.Add(node.Labels[domain.Constraint.TopologyKey], change);
            }
        }
    }

    private static bool HasAllKeys(NodeInfo node, SpreadConstraint[] constraints)
    {
        foreach (var constraint in constraints)
        {
            if (!node.Labels.ContainsKey(constraint.TopologyKey))
            {
                return false;
            }
        }

        return true;
    }

    private static QueueingHint AfterPodChanged(PodInfo pod, in ClusterChange change)
    {
        var (before, after) = (change.OldPod, change.NewPod);
        if ((before ?? after)?.Namespace != pod.Namespace)
        {
            return QueueingHint.Skip;
        }

        // An update counts only when it makes a pod start or stop being counted.
        foreach (var constraint in pod.SpreadConstraints)
        {
            var counted = before is { IsTerminating: false } && constraint.Selector.Matches(before.Group.Labels);
            var counts = after is { IsTerminating: false } && constraint.Selector.Matches(after.Group.Labels);
            if (constraint.Required && counted != counts)
            {
                return QueueingHint.Queue;
            }
        }

        return QueueingHint.Skip;
    }

    private static QueueingHint AfterNodeChanged(PodInfo pod, in ClusterChange change)
    {
        var required = Array.FindAll(pod.SpreadConstraints, c => c.Required);
        return (change.OldNode is not null && HasAllKeys(change.OldNode, required))
            || (change.NewNode is not null && HasAllKeys(change.NewNode, required))
            ? QueueingHint.Queue
            : QueueingHint.Skip;
    }

    /// <summary>The pods counted per domain of one constraint.</summary>
    private sealed class Domains(SpreadConstraint constraint)
    {
        private Dictionary<string, int> _counts = new(StringComparer.Ordinal);

        /// <summary>Negative while unknown.</summary>
        private int _minimum = -1;

        public SpreadConstraint Constraint { get; } = constraint;

        public int CountOf(string value) => _counts.GetValueOrDefault(value);

        public void Add(string value, int count)
        {
            _counts[value] = _counts.GetValueOrDefault(value) + count;
            _minimum = -1;
        }

        /// <summary>The count of the emptiest domain; 0 while there are fewer domains than wanted.</summary>
        public int Minimum()
        {
            if (_minimum < 0)
            {
                _minimum = _counts.Count == 0 || _counts.Count < Constraint.MinDomains ? 0 : _counts.Values.Min();
            }

            return _minimum;
        }

        public Domains Clone() => new(Constraint) { _counts = new Dictionary<string, int>(_counts, StringComparer.Ordinal), _minimum = _minimum };
    }

    private sealed class FilterState(Domains[] domains) : ICycleStateData
    {
        public Domains[] Domains { get; } = domains;

        public ICycleStateData Clone() => new FilterState(Array.ConvertAll(Domains, d => d.Clone()));
    }
}
