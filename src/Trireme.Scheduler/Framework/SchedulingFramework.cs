using System.Diagnostics.CodeAnalysis;
using Trireme.Scheduler.Cache;

namespace Trireme.Scheduler.Framework;

/// <summary>A plugin and what its scores count for.</summary>
internal readonly record struct WeightedPlugin(IPlugin Plugin, int Weight = 1);

/// <summary>Runs the plugins of a profile at each extension point. The scheduling thread's; Reserve, Unreserve, PreBind and Bind may be called from any.</summary>
internal sealed class SchedulingFramework : IFrameworkHandle
{
    private readonly IQueueSortPlugin _queueSort;
    private readonly IPreEnqueuePlugin[] _preEnqueue;
    private readonly IPreFilterPlugin[] _preFilter;
    private readonly IPreFilterExtensions[] _preFilterExtensions;
    private readonly (IFilterPlugin Plugin, ulong Bit)[] _filter;
    private readonly IPostFilterPlugin[] _postFilter;
    private readonly IPreScorePlugin[] _preScore;
    private readonly (IScorePlugin Plugin, ulong Bit, int Weight)[] _score;
    private readonly IReservePlugin[] _reserve;
    private readonly IPreBindPlugin[] _preBind;
    private readonly IBindPlugin[] _bind;
    private readonly Dictionary<IPlugin, ulong> _bits = new(ReferenceEqualityComparer.Instance);

    /// <param name="plugins">Makes the plugins, in the order in which they run; at most 64.</param>
    /// <param name="nominator">Shared with the queue.</param>
    [SuppressMessage("Usage", "CA2214:Do not call overridable methods in constructors", Justification = "The class is sealed.")]
    public SchedulingFramework(Func<IFrameworkHandle, IReadOnlyList<WeightedPlugin>> plugins, Nominator nominator)
    {
        Nominator = nominator;
        var all = plugins(this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(all.Count, 64, nameof(plugins));
        for (var i = 0; i < all.Count; i++)
        {
            _bits[all[i].Plugin] = 1UL << i;
        }

        Plugins = [.. all.Select(p => p.Plugin)];
        _queueSort = Plugins.OfType<IQueueSortPlugin>().Single();
        _preEnqueue = [.. Plugins.OfType<IPreEnqueuePlugin>()];
        _preFilter = [.. Plugins.OfType<IPreFilterPlugin>()];
        _preFilterExtensions = [.. Plugins.OfType<IPreFilterExtensions>()];
        _filter = [.. Plugins.OfType<IFilterPlugin>().Select(p => (p, _bits[p]))];
        _postFilter = [.. Plugins.OfType<IPostFilterPlugin>()];
        _preScore = [.. Plugins.OfType<IPreScorePlugin>()];
        _score = [.. all.Where(p => p.Plugin is IScorePlugin).Select(p => ((IScorePlugin)p.Plugin, _bits[p.Plugin], p.Weight))];
        _reserve = [.. Plugins.OfType<IReservePlugin>()];
        _preBind = [.. Plugins.OfType<IPreBindPlugin>()];
        _bind = [.. Plugins.OfType<IBindPlugin>()];
    }

    public IReadOnlyList<IPlugin> Plugins { get; }

    public Nominator Nominator { get; }

    public int Compare(Queue.QueuedPodInfo left, Queue.QueuedPodInfo right) => _queueSort.Compare(left, right);

    /// <summary>Success, or the first refusal.</summary>
    public SchedulingStatus RunPreEnqueue(PodInfo pod)
    {
        foreach (var plugin in _preEnqueue)
        {
            var status = plugin.PreEnqueue(pod);
            if (!status.IsSuccess)
            {
                return status;
            }
        }

        return SchedulingStatus.Success;
    }

    /// <summary>Runs PreFilter; a refusal is written to the diagnosis.</summary>
    /// <returns>The only nodes worth looking at in <c>NodeNames</c>; null for all.</returns>
    public PreFilterResult RunPreFilter(CycleState state, PodInfo pod, Diagnosis diagnosis)
    {
        HashSet<string>? candidates = null;
        List<string>? narrowedBy = null;
        foreach (var plugin in _preFilter)
        {
            var (status, names) = plugin.PreFilter(state, pod, diagnosis.Snapshot);
            if (status.IsSkip)
            {
                state.SkippedFilters |= _bits[plugin];
                continue;
            }

            if (!status.IsSuccess)
            {
                diagnosis.RejectAll(status);
                return new PreFilterResult(status);
            }

            if (names is null)
            {
                continue;
            }

            (narrowedBy ??= []).Add(plugin.Name);
            if (candidates is null)
            {
                candidates = names;
            }
            else
            {
                candidates.IntersectWith(names);
            }
        }

        if (candidates is not null)
        {
            diagnosis.RejectOthers(candidates, narrowedBy!);
        }

        return new PreFilterResult(SchedulingStatus.Success, candidates);
    }

    public SchedulingStatus RunFilters(CycleState state, PodInfo pod, NodeInfo node)
    {
        var skipped = state.SkippedFilters;
        foreach (var (plugin, bit) in _filter)
        {
            if ((skipped & bit) != 0)
            {
                continue;
            }

            var status = plugin.Filter(state, pod, node);
            if (!status.IsSuccess)
            {
                return status;
            }
        }

        return SchedulingStatus.Success;
    }

    public SchedulingStatus RunFiltersWithNominatedPods(CycleState state, PodInfo pod, NodeInfo node)
    {
        if (!Nominator.IsEmpty)
        {
            // Pods of the same or higher priority that wait for this node count as if they were there. The pod must fit beside them and also without
            // them: with them for their room, without them because affinity to a pod that may never come must not count.
            var nominated = Nominator.PodsFor(node.Name).Where(n => n.Uid != pod.Uid && n.Priority >= pod.Priority).ToList();
            if (nominated.Count > 0)
            {
                var stateWith = state.Clone();
                var nodeWith = node.Clone();
                foreach (var other in nominated)
                {
                    nodeWith.AddPod(other);
                    RunPreFilterAddPod(stateWith, pod, other, nodeWith);
                }

                var status = RunFilters(stateWith, pod, nodeWith);
                if (!status.IsSuccess)
                {
                    return status;
                }
            }
        }

        return RunFilters(state, pod, node);
    }

    public void RunPreFilterAddPod(CycleState state, PodInfo podToSchedule, PodInfo podToAdd, NodeInfo node)
    {
        foreach (var plugin in _preFilterExtensions)
        {
            if ((state.SkippedFilters & _bits[plugin]) == 0)
            {
                plugin.AddPod(state, podToSchedule, podToAdd, node);
            }
        }
    }

    public void RunPreFilterRemovePod(CycleState state, PodInfo podToSchedule, PodInfo podToRemove, NodeInfo node)
    {
        foreach (var plugin in _preFilterExtensions)
        {
            if ((state.SkippedFilters & _bits[plugin]) == 0)
            {
                plugin.RemovePod(state, podToSchedule, podToRemove, node);
            }
        }
    }

    /// <summary>The first PostFilter that makes room; else the last word of those that cannot, for the message.</summary>
    public PostFilterResult RunPostFilter(CycleState state, PodInfo pod, Diagnosis diagnosis)
    {
        var result = new PostFilterResult(SchedulingStatus.Unschedulable(""));
        foreach (var plugin in _postFilter)
        {
            result = plugin.PostFilter(state, pod, diagnosis);
            if (result.Status.IsSuccess || result.Status.Code == SchedulingCode.Error)
            {
                break;
            }
        }

        return result;
    }

    /// <summary>Sums the weighted scores of every node into <paramref name="totals"/>.</summary>
    /// <param name="state">The cycle.</param>
    /// <param name="pod">The pod.</param>
    /// <param name="nodes">The nodes that fit.</param>
    /// <param name="snapshot">The whole cluster.</param>
    /// <param name="totals">As long as <paramref name="nodes"/>; overwritten.</param>
    /// <param name="scratch">As long as <paramref name="nodes"/>; overwritten.</param>
    public void RunScores(
        CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot, Span<long> totals, Span<long> scratch)
    {
        totals.Clear();
        foreach (var plugin in _preScore)
        {
            if (plugin.PreScore(state, pod, nodes, snapshot).IsSkip)
            {
                state.SkippedScores |= _bits[plugin];
            }
        }

        foreach (var (plugin, bit, weight) in _score)
        {
            if ((state.SkippedScores & bit) != 0)
            {
                continue;
            }

            for (var i = 0; i < nodes.Length; i++)
            {
                scratch[i] = plugin.Score(state, pod, nodes[i]);
            }

            plugin.NormalizeScores(state, pod, nodes, scratch);
            for (var i = 0; i < nodes.Length; i++)
            {
                totals[i] += scratch[i] * weight;
            }
        }
    }

    /// <summary>Runs Reserve; after a failure everything is unreserved again.</summary>
    public SchedulingStatus RunReserve(CycleState state, PodInfo pod, string nodeName)
    {
        foreach (var plugin in _reserve)
        {
            var status = plugin.Reserve(state, pod, nodeName);
            if (!status.IsSuccess)
            {
                RunUnreserve(state, pod, nodeName);
                return status;
            }
        }

        return SchedulingStatus.Success;
    }

    public void RunUnreserve(CycleState state, PodInfo pod, string nodeName)
    {
        for (var i = _reserve.Length - 1; i >= 0; i--)
        {
            _reserve[i].Unreserve(state, pod, nodeName);
        }
    }

    public async Task<SchedulingStatus> RunPreBindAsync(CycleState state, PodInfo pod, string nodeName, CancellationToken cancellationToken)
    {
        foreach (var plugin in _preBind)
        {
            var status = await plugin.PreBindAsync(state, pod, nodeName, cancellationToken);
            if (!status.IsSuccess)
            {
                return status;
            }
        }

        return SchedulingStatus.Success;
    }

    public async Task<SchedulingStatus> RunBindAsync(CycleState state, PodInfo pod, string nodeName, CancellationToken cancellationToken)
    {
        foreach (var plugin in _bind)
        {
            var status = await plugin.BindAsync(state, pod, nodeName, cancellationToken);
            if (!status.IsSkip)
            {
                return status;
            }
        }

        return SchedulingStatus.Skip;
    }
}
