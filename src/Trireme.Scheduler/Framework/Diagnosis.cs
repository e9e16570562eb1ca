using Trireme.Scheduler.Cache;

namespace Trireme.Scheduler.Framework;

/// <summary>Why no node fits a pod: a status per node of the snapshot, and what the plugins that looked at the whole said.</summary>
internal sealed class Diagnosis(Snapshot snapshot)
{
    private SchedulingStatus? _absent;
    private SchedulingStatus?[]? _nodeStatuses;

    public Snapshot Snapshot { get; } = snapshot;

    /// <summary>By index of the node in the snapshot; null where the node was not rejected (or never looked at).</summary>
    /// <remarks>Made on first use: most pods fit on the first nodes they try.</remarks>
    public SchedulingStatus?[] NodeStatuses => _nodeStatuses ??= new SchedulingStatus?[Snapshot.Count];

    /// <summary>The names of the plugins to whose verdict a queueing hint may apply.</summary>
    public HashSet<string> UnschedulablePlugins => field ??= new(StringComparer.Ordinal);

    /// <summary>Set when PreFilter refused the pod on all nodes.</summary>
    public SchedulingStatus? PreFilterStatus { get; private set; }

    public string PostFilterMessage { get; set; } = "";

    public void Reject(int nodeIndex, SchedulingStatus status) => NodeStatuses[nodeIndex] = status;

    public void RejectAll(SchedulingStatus status)
    {
        PreFilterStatus = status;
        UnschedulablePlugins.Add(status.Plugin);
        Array.Fill(NodeStatuses, status);
    }

    /// <summary>Marks the nodes that were not looked at because these plugins had named the only candidates.</summary>
    public void RejectOthers(IReadOnlySet<string> candidates, IEnumerable<string> plugins)
    {
        var names = string.Join(' ', plugins.Order(StringComparer.Ordinal));
        _absent = SchedulingStatus.Unresolvable(names, $"node(s) didn't satisfy plugin(s) [{names}]");
        foreach (var plugin in plugins)
        {
            UnschedulablePlugins.Add(plugin);
        }

        for (var i = 0; i < NodeStatuses.Length; i++)
        {
            if (!candidates.Contains(Snapshot.Nodes[i].Name))
            {
                NodeStatuses[i] = _absent;
            }
        }
    }

    /// <summary>Collects the plugins that refused any node; called once, when it is clear that none fits.</summary>
    public void Conclude()
    {
        foreach (var status in NodeStatuses)
        {
            if (status is { IsRejected: true } && !ReferenceEquals(status, _absent))
            {
                UnschedulablePlugins.Add(status.Plugin);
            }
        }
    }

    /// <summary>The sentence of the FailedScheduling event, worded as upstream words it.</summary>
    public string Message()
    {
        var message = $"0/{NodeStatuses.Length} nodes are available:";
        if (PreFilterStatus is not null)
        {
            message += $" {PreFilterStatus.Message}.";
        }
        else
        {
            var histogram = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var reason in NodeStatuses.OfType<SchedulingStatus>().SelectMany(s => s.Reasons))
            {
                histogram[reason] = histogram.GetValueOrDefault(reason) + 1;
            }

            if (histogram.Count > 0)
            {
                message += $" {string.Join(", ", histogram.Select(h => $"{h.Value} {h.Key}").Order(StringComparer.Ordinal))}.";
            }
        }

        return PostFilterMessage.Length == 0 ? message : $"{message} {PostFilterMessage}";
    }
}

/// <summary>What PostFilter did.</summary>
/// <param name="Status">Success when room is being made.</param>
/// <param name="NominatedNodeName">The node that is being cleared; empty takes an older nomination back; null leaves it.</param>
/// <param name="Victims">Pods to evict.</param>
internal readonly record struct PostFilterResult(SchedulingStatus Status, string? NominatedNodeName = null, IReadOnlyList<PodInfo>? Victims = null);
