using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Cache;

/// <summary>The cluster as one scheduling cycle sees it. Updated in place between cycles by <see cref="SchedulerCache.UpdateSnapshot"/>; not thread-safe.</summary>
internal sealed class Snapshot
{
    private readonly Dictionary<string, int> _index = new(StringComparer.Ordinal);
    private readonly List<NodeInfo> _nodes = [];
    private readonly List<NodeInfo> _withAffinity = [];
    private readonly List<NodeInfo> _withRequiredAntiAffinity = [];

    /// <summary>The generation up to which the cache's changes are in here.</summary>
    public long Generation { get; set; }

    /// <summary>All nodes that exist, zone by zone in turn.</summary>
    public IReadOnlyList<NodeInfo> Nodes => _nodes;

    public int Count => _nodes.Count;

    /// <summary>Nodes with a pod that has affinity or anti-affinity.</summary>
    public IReadOnlyList<NodeInfo> NodesWithAffinity => _withAffinity;

    public IReadOnlyList<NodeInfo> NodesWithRequiredAntiAffinity => _withRequiredAntiAffinity;

    public ReadOnlySpan<NodeInfo> NodeSpan => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_nodes);

    /// <summary>A snapshot of the given nodes, for tests and simulations.</summary>
    public static Snapshot Of(IEnumerable<NodeInfo> nodes)
    {
        var snapshot = new Snapshot();
        snapshot.Reset(nodes);
        return snapshot;
    }

    public NodeInfo? Find(string name) => _index.TryGetValue(name, out var i) ? _nodes[i] : null;

    /// <summary>Index in <see cref="Nodes"/>, -1 when there is no such node.</summary>
    public int IndexOf(string name) => _index.TryGetValue(name, out var i) ? i : -1;

    /// <summary>Replaces all nodes, in this order.</summary>
    public void Reset(IEnumerable<NodeInfo> nodes)
    {
        _nodes.Clear();
        _index.Clear();
        foreach (var node in nodes)
        {
            _index[node.Name] = _nodes.Count;
            _nodes.Add(node);
        }

        RebuildAffinityLists();
    }

    /// <summary>Replaces one node that is here by a newer copy; the answer is whether the affinity lists must be rebuilt.</summary>
    public bool Replace(NodeInfo node)
    {
        var i = _index[node.Name];
        var old = _nodes[i];
        _nodes[i] = node;

        // The lists hold the node objects themselves, so a node with affinity pods before or after is a reason to rebuild.
        return old.PodsWithAffinity.Length > 0 || node.PodsWithAffinity.Length > 0;
    }

    public void RebuildAffinityLists()
    {
        _withAffinity.Clear();
        _withRequiredAntiAffinity.Clear();
        foreach (var node in _nodes)
        {
            if (node.PodsWithAffinity.Length > 0)
            {
                _withAffinity.Add(node);
            }

            if (node.PodsWithRequiredAntiAffinity.Length > 0)
            {
                _withRequiredAntiAffinity.Add(node);
            }
        }
    }
}
