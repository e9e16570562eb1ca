using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.InterPodAffinity;

/// <summary>
/// Pods that want to be near or far from each other. Required terms filter: the new pod's affinity and anti-affinity, and the anti-affinity of pods that are there
/// already. Preferred terms rank nodes, in the Score half.
/// </summary>
internal sealed partial class InterPodAffinityPlugin(IClusterLister lister)
    : IPreFilterPlugin, IPreFilterExtensions, IFilterPlugin, IPreScorePlugin, IScorePlugin, IEnqueueExtensions
{
    private const string PluginName = "InterPodAffinity";

    private static readonly CycleStateKey<FilterState> FilterKey = new();

    private static readonly SchedulingStatus NoAffinity =
        SchedulingStatus.Unresolvable(PluginName, "node(s) didn't match pod affinity rules");

    private static readonly SchedulingStatus AntiAffinity =
        SchedulingStatus.Unschedulable(PluginName, "node(s) didn't match pod anti-affinity rules");

    private static readonly SchedulingStatus ExistingAntiAffinity =
        SchedulingStatus.Unschedulable(PluginName, "node(s) didn't satisfy existing pods anti-affinity rules");

    public string Name => PluginName;

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister =>
    [
        new(new ClusterEvent(EventResource.AssignedPod, EventAction.Add | EventAction.Delete | EventAction.UpdatePodLabel), AfterPodChanged),
        new(new ClusterEvent(EventResource.PendingPod, EventAction.UpdatePodLabel)),
        new(new ClusterEvent(EventResource.Node, EventAction.Add | EventAction.UpdateNodeLabel), AfterNodeChanged),
        new(new ClusterEvent(EventResource.Namespace, EventAction.Add | EventAction.UpdateOther)),
    ];

    public PreFilterResult PreFilter(CycleState state, PodInfo pod, Snapshot snapshot)
    {
        var filterState = new FilterState(pod, lister.NamespaceLabels(pod.Namespace));
        foreach (var node in snapshot.NodesWithRequiredAntiAffinity)
        {
            foreach (var existing in node.PodsWithRequiredAntiAffinity)
            {
                filterState.CountExisting(existing, node, 1);
            }
        }

        if (pod.RequiredAffinity.Length > 0 || pod.RequiredAntiAffinity.Length > 0)
        {
            var matcher = new IncomingMatcher(pod, lister);
            foreach (var node in snapshot.NodeSpan)
            {
                foreach (ref readonly var entry in node.PodGroups)
                {
                    filterState.CountIncoming(matcher.Match(entry.Group), node, entry.Count);
                }
            }
        }
        else if (filterState.ExistingAntiAffinity.IsEmpty)
        {
            return PreFilterResult.Skip;
        }

        state.Write(FilterKey, filterState);
        return PreFilterResult.Success;
    }

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node)
    {
        var filterState = state.Read(FilterKey)!;
        if (!SatisfiesAffinity(filterState, pod, node))
        {
            return NoAffinity;
        }

        foreach (var term in pod.RequiredAntiAffinity)
        {
            if (filterState.AntiAffinity.CountAt(term.TopologyKey, node) > 0)
            {
                return AntiAffinity;
            }
        }

        return filterState.ExistingAntiAffinity.AnyAt(node) ? ExistingAntiAffinity : SchedulingStatus.Success;
    }

    public void AddPod(CycleState state, PodInfo podToSchedule, PodInfo podToAdd, NodeInfo node) =>
        Update(state, podToSchedule, podToAdd, node, 1);

    public void RemovePod(CycleState state, PodInfo podToSchedule, PodInfo podToRemove, NodeInfo node) =>
        Update(state, podToSchedule, podToRemove, node, -1);

    private void Update(CycleState state, PodInfo podToSchedule, PodInfo other, NodeInfo node, int change)
    {
        if (state.Read(FilterKey) is { } filterState)
        {
            filterState.CountExisting(other, node, change);
            filterState.CountIncoming(new IncomingMatcher(podToSchedule, lister).Match(other.Group), node, change);
        }
    }

    private bool SatisfiesAffinity(FilterState state, PodInfo pod, NodeInfo node)
    {
        var podsExist = true;
        foreach (var term in pod.RequiredAffinity)
        {
            // A node without the topology label is in no domain, so nothing can be near it.
            if (!node.Labels.ContainsKey(term.TopologyKey))
            {
                return false;
            }

            podsExist &= state.Affinity.CountAt(term.TopologyKey, node) > 0;
        }

        // The first pod of a group that wants to be near itself must start somewhere.
        return podsExist
            || (state.Affinity.IsEmpty && Array.TrueForAll(pod.RequiredAffinity, t => t.Matches(pod.Group, lister.NamespaceLabels(pod.Namespace))));
    }

    private QueueingHint AfterPodChanged(PodInfo pod, in ClusterChange change)
    {
        var labels = lister.NamespaceLabels(pod.Namespace);
        var (before, after) = (change.OldPod, change.NewPod);
        if (after is not null && Array.Exists(pod.RequiredAffinity, t => t.Matches(after.Group, lister.NamespaceLabels(after.Namespace))))
        {
            return QueueingHint.Queue;
        }

        if (before is null)
        {
            return QueueingHint.Skip;
        }

        // A pod that goes may also let the first of a self-affine group start anew.
        return Array.Exists(pod.RequiredAntiAffinity, t => t.Matches(before.Group, lister.NamespaceLabels(before.Namespace)))
            || Array.Exists(pod.RequiredAffinity, t => t.Matches(before.Group, lister.NamespaceLabels(before.Namespace)))
            || Array.Exists(before.RequiredAntiAffinity, t => t.Matches(pod.Group, labels))
            ? QueueingHint.Queue
            : QueueingHint.Skip;
    }

    private static QueueingHint AfterNodeChanged(PodInfo pod, in ClusterChange change)
    {
        if (change.NewNode is not { } node)
        {
            return QueueingHint.Queue;
        }

        return pod.RequiredAffinity.Length == 0 || Array.TrueForAll(pod.RequiredAffinity, t => node.Labels.ContainsKey(t.TopologyKey))
            ? QueueingHint.Queue
            : QueueingHint.Skip;
    }

    /// <summary>Which of a pod's own required terms a group of other pods meets; remembers the last group, since neighbours are alike.</summary>
    private sealed class IncomingMatcher(PodInfo pod, IClusterLister lister)
    {
        private PodLabelGroup? _lastGroup;
        private IncomingMatch _last;

        public IncomingMatch Match(PodLabelGroup group)
        {
            if (ReferenceEquals(group, _lastGroup))
            {
                return _last;
            }

            var labels = lister.NamespaceLabels(group.Namespace);
            var affinity = pod.RequiredAffinity.Length > 0;
            foreach (var term in pod.RequiredAffinity)
            {
                affinity &= term.Matches(group, labels);
            }

            List<string>? anti = null;
            foreach (var term in pod.RequiredAntiAffinity)
            {
                if (term.Matches(group, labels))
                {
                    (anti ??= []).Add(term.TopologyKey);
                }
            }

            _lastGroup = group;
            return _last = new IncomingMatch(affinity, anti ?? (IReadOnlyList<string>)[]);
        }
    }

    /// <param name="AllAffinityTerms">A pod counts for affinity only when it meets every term.</param>
    /// <param name="AntiAffinityTopologies">Topology keys of the anti-affinity terms that it meets.</param>
    private readonly record struct IncomingMatch(bool AllAffinityTerms, IReadOnlyList<string> AntiAffinityTopologies);

    private sealed class FilterState : ICycleStateData
    {
        private readonly PodInfo _pod;
        private readonly Dictionary<string, string>? _namespaceLabels;

        public FilterState(PodInfo pod, Dictionary<string, string>? namespaceLabels)
        {
            _pod = pod;
            _namespaceLabels = namespaceLabels;
        }

        public TopologyCounts Affinity { get; private init; } = new();

        public TopologyCounts AntiAffinity { get; private init; } = new();

        public TopologyCounts ExistingAntiAffinity { get; private init; } = new();

        public void CountExisting(PodInfo existing, NodeInfo node, int change)
        {
            foreach (var term in existing.RequiredAntiAffinity)
            {
                if (term.Matches(_pod.Group, _namespaceLabels))
                {
                    ExistingAntiAffinity.Add(term.TopologyKey, node, change);
                }
            }
        }

        public void CountIncoming(IncomingMatch match, NodeInfo node, int change)
        {
            if (match.AllAffinityTerms)
            {
                foreach (var term in _pod.RequiredAffinity)
                {
                    Affinity.Add(term.TopologyKey, node, change);
                }
            }

            foreach (var key in match.AntiAffinityTopologies)
            {
                AntiAffinity.Add(key, node, change);
            }
        }

        public ICycleStateData Clone() => new FilterState(_pod, _namespaceLabels)
        {
            Affinity = Affinity.Clone(),
            AntiAffinity = AntiAffinity.Clone(),
            ExistingAntiAffinity = ExistingAntiAffinity.Clone(),
        };
    }
}
