namespace Trireme.Scheduler.Framework;

/// <summary>Which pods wait for which node to be cleared, so that nobody of lower priority takes the room meanwhile. Thread-safe.</summary>
internal sealed class Nominator
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<PodInfo>> _podsOfNode = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _nodeOfPod = new(StringComparer.Ordinal);
    private int _count;

    /// <summary>Whether nobody is nominated for anything, as is nearly always so.</summary>
    public bool IsEmpty => Volatile.Read(ref _count) == 0;

    /// <summary>Nominates the pod for a node, instead of any other.</summary>
    public void AddOrUpdate(PodInfo pod, string nodeName)
    {
        lock (_lock)
        {
            RemoveLocked(pod.Uid);
            _nodeOfPod[pod.Uid] = nodeName;
            if (!_podsOfNode.TryGetValue(nodeName, out var pods))
            {
                _podsOfNode[nodeName] = pods = [];
            }

            pods.Add(pod);
            Volatile.Write(ref _count, _nodeOfPod.Count);
        }
    }

    public void Remove(string uid)
    {
        if (IsEmpty)
        {
            return;
        }

        lock (_lock)
        {
            RemoveLocked(uid);
            Volatile.Write(ref _count, _nodeOfPod.Count);
        }
    }

    /// <summary>The node for which the pod is nominated; null when there is none.</summary>
    public string? NodeOf(string uid)
    {
        lock (_lock)
        {
            return _nodeOfPod.GetValueOrDefault(uid);
        }
    }

    public IReadOnlyList<PodInfo> PodsFor(string nodeName)
    {
        if (IsEmpty)
        {
            return [];
        }

        lock (_lock)
        {
            return _podsOfNode.TryGetValue(nodeName, out var pods) ? [.. pods] : [];
        }
    }

    private void RemoveLocked(string uid)
    {
        if (!_nodeOfPod.Remove(uid, out var node))
        {
            return;
        }

        var pods = _podsOfNode[node];
        pods.RemoveAll(p => p.Uid == uid);
        if (pods.Count == 0)
        {
            _podsOfNode.Remove(node);
        }
    }
}
