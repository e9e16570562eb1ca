using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Cache;

/// <summary>Nodes and the pods on them, including pods that were given a node a moment ago and whose binding the API has not yet shown.</summary>
/// <remarks>
/// The life of a pod in the cache:
/// <code>
///                     Add
///     +-------------------------------------------+  +----+
///     |                                           |  |    | Update
///     |        Assume            Add              v  v    |
///  Initial ---------> Assumed -----------------> Added ---+
///     ^                 |  |                       |
///     |     Forget      |  | expires               | Remove
///     +-----------------+  +---> Expired           v
///                                               Deleted
/// </code>
/// An assumed pod expires only after <see cref="FinishBinding"/> and only if an expiry is set. A watch that lags is no reason to believe that a binding was lost, and
/// forgetting a bound pod overcommits its node; so there is none by default, and a pod that is deleted before it was seen bound leaves by
/// <see cref="RemovePod"/> all the same. Thread-safe; one lock, never held while anything else is called.
/// </remarks>
internal sealed class SchedulerCache(TimeProvider timeProvider, TimeSpan? assumedPodExpiry = null)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PodState> _pods = new(StringComparer.Ordinal);
    private readonly HashSet<string> _assumed = new(StringComparer.Ordinal);
    private readonly NodeTree _tree = new();
    private readonly Dictionary<string, HashSet<string>> _nodesOfImage = new(StringComparer.Ordinal);
    private Entry? _newest;
    private long _generation;
    private bool _orderChanged;

    public int NodeCount
    {
        get
        {
            lock (_lock)
            {
                return _tree.Count;
            }
        }
    }

    public int PodCount
    {
        get
        {
            lock (_lock)
            {
                return _pods.Count;
            }
        }
    }

    /// <summary>Counts the pod on the node before the API knows of it.</summary>
    /// <returns>False when the pod is in the cache already.</returns>
    public bool AssumePod(PodInfo pod, string nodeName)
    {
        lock (_lock)
        {
            if (_pods.ContainsKey(pod.Uid))
            {
                return false;
            }

            AddLocked(pod, nodeName);
            _assumed.Add(pod.Uid);
            return true;
        }
    }

    /// <summary>The binding was accepted; from now on the assumption may expire.</summary>
    public void FinishBinding(PodInfo pod)
    {
        lock (_lock)
        {
            if (assumedPodExpiry is { } expiry && _assumed.Contains(pod.Uid))
            {
                _pods[pod.Uid].Deadline = timeProvider.GetUtcNow() + expiry;
            }
        }
    }

    /// <summary>The binding failed: the pod is on no node after all. Nothing happens when the pod was seen bound meanwhile.</summary>
    public void ForgetPod(PodInfo pod)
    {
        lock (_lock)
        {
            if (_assumed.Remove(pod.Uid))
            {
                RemoveLocked(pod.Uid);
            }
        }
    }

    public bool IsAssumed(PodInfo pod)
    {
        lock (_lock)
        {
            return _assumed.Contains(pod.Uid);
        }
    }

    /// <summary>Whether the pod is counted on a node.</summary>
    public bool Contains(string uid)
    {
        lock (_lock)
        {
            return _pods.ContainsKey(uid);
        }
    }

    /// <summary>The API shows the pod on its node: added, confirmed or changed.</summary>
    public void AddOrUpdatePod(PodInfo pod)
    {
        lock (_lock)
        {
            _assumed.Remove(pod.Uid);
            if (_pods.ContainsKey(pod.Uid))
            {
                RemoveLocked(pod.Uid);
            }

            AddLocked(pod, pod.NodeName ?? "");
        }
    }

    /// <summary>The pod is gone or has ended. False when it was not known.</summary>
    public bool RemovePod(string uid)
    {
        lock (_lock)
        {
            _assumed.Remove(uid);
            return RemoveLocked(uid);
        }
    }

    public void AddOrUpdateNode(Node node)
    {
        lock (_lock)
        {
            var name = node.Metadata.Name ?? "";
            var entry = EntryLocked(name);
            var isNew = entry.Info.Node is null;
            entry.Info.SetNode(node);
            _orderChanged |= _tree.AddOrUpdate(node) || isNew;
            UpdateImagesLocked(name, node);
            entry.Info.Images = ImagesLocked(node);
            TouchLocked(entry);
        }
    }

    /// <summary>Forgets the node; pods on it stay counted until they are removed themselves.</summary>
    public void RemoveNode(string name)
    {
        lock (_lock)
        {
            if (!_nodes.TryGetValue(name, out var entry) || !_tree.Remove(name))
            {
                return;
            }

            UpdateImagesLocked(name, null);
            entry.Info.RemoveNode();
            _orderChanged = true;
            TouchLocked(entry);
            DropIfEmptyLocked(entry);
        }
    }

    /// <summary>Forgets assumptions whose time is over; returns their pods.</summary>
    public IReadOnlyList<PodInfo> ExpireAssumedPods()
    {
        lock (_lock)
        {
            var now = timeProvider.GetUtcNow();
            var expired = _assumed.Where(uid => _pods[uid].Deadline <= now).Select(uid => _pods[uid].Pod).ToList();
            foreach (var pod in expired)
            {
                _assumed.Remove(pod.Uid);
                RemoveLocked(pod.Uid);
            }

            return expired;
        }
    }

    /// <summary>Brings the snapshot up to date, copying only nodes that changed since it was last brought up to date.</summary>
    public void UpdateSnapshot(Snapshot snapshot)
    {
        lock (_lock)
        {
            var upTo = _generation;
            if (_orderChanged || snapshot.Count != _tree.Count)
            {
                var known = snapshot.Generation;
                var old = snapshot.Nodes.ToDictionary(n => n.Name, StringComparer.Ordinal);
                snapshot.Reset([.. _tree.Names().Select(name =>
                {
                    var info = _nodes[name].Info;
                    return info.Generation <= known && old.TryGetValue(name, out var same) ? same : info.Clone();
                })]);
                _orderChanged = false;
            }
            else
            {
                var rebuild = false;
                for (var entry = _newest; entry is not null && entry.Info.Generation > snapshot.Generation; entry = entry.Older)
                {
                    if (entry.Info.Node is not null)
                    {
                        rebuild |= snapshot.Replace(entry.Info.Clone());
                    }
                }

                if (rebuild)
                {
                    snapshot.RebuildAffinityLists();
                }
            }

            snapshot.Generation = upTo;
        }
    }

    private void AddLocked(PodInfo pod, string nodeName)
    {
        var entry = EntryLocked(nodeName);
        entry.Info.AddPod(pod);
        TouchLocked(entry);
        _pods[pod.Uid] = new PodState(pod, nodeName);
    }

    private bool RemoveLocked(string uid)
    {
        if (!_pods.Remove(uid, out var state))
        {
            return false;
        }

        var entry = _nodes[state.NodeName];
        entry.Info.RemovePod(uid);
        TouchLocked(entry);
        DropIfEmptyLocked(entry);
        return true;
    }

    private Entry EntryLocked(string name)
    {
        if (!_nodes.TryGetValue(name, out var entry))
        {
            entry = new Entry(new NodeInfo(name));
            _nodes[name] = entry;
            entry.Older = _newest;
            if (_newest is not null)
            {
                _newest.Newer = entry;
            }

            _newest = entry;
        }

        return entry;
    }

    /// <summary>Gives the node a new generation and moves it to the front, where <see cref="UpdateSnapshot"/> looks.</summary>
    private void TouchLocked(Entry entry)
    {
        entry.Info.Generation = ++_generation;
        if (ReferenceEquals(entry, _newest))
        {
            return;
        }

        UnlinkLocked(entry);
        entry.Older = _newest;
        entry.Newer = null;
        _newest!.Newer = entry;
        _newest = entry;
    }

    private void UnlinkLocked(Entry entry)
    {
        if (ReferenceEquals(entry, _newest))
        {
            _newest = entry.Older;
        }

        if (entry.Newer is not null)
        {
            entry.Newer.Older = entry.Older;
        }

        if (entry.Older is not null)
        {
            entry.Older.Newer = entry.Newer;
        }
    }

    private void DropIfEmptyLocked(Entry entry)
    {
        if (entry.Info.Node is null && entry.Info.Pods.Length == 0)
        {
            UnlinkLocked(entry);
            _nodes.Remove(entry.Info.Name);
        }
    }

    private void UpdateImagesLocked(string nodeName, Node? node)
    {
        var old = _nodes[nodeName].Info.Images;
        var names = (node?.Status?.Images ?? []).SelectMany(i => i.Names ?? []).ToHashSet(StringComparer.Ordinal);
        foreach (var name in old.Keys.Where(n => !names.Contains(n)))
        {
            if (_nodesOfImage.TryGetValue(name, out var nodes) && nodes.Remove(nodeName) && nodes.Count == 0)
            {
                _nodesOfImage.Remove(name);
            }
        }

        foreach (var name in names)
        {
            if (!_nodesOfImage.TryGetValue(name, out var nodes))
            {
                _nodesOfImage[name] = nodes = new HashSet<string>(StringComparer.Ordinal);
            }

            nodes.Add(nodeName);
        }
    }

    /// <summary>The counts of other nodes stay as they were until those nodes report again, as upstream's do; scores are none the worse.</summary>
    private Dictionary<string, ImageState> ImagesLocked(Node node)
    {
        var images = new Dictionary<string, ImageState>(StringComparer.Ordinal);
        foreach (var image in node.Status?.Images ?? [])
        {
            foreach (var name in image.Names ?? [])
            {
                images[name] = new ImageState(image.SizeBytes, _nodesOfImage[name].Count);
            }
        }

        return images;
    }

    private sealed class Entry(NodeInfo info)
    {
        public NodeInfo Info { get; } = info;

        public Entry? Newer { get; set; }

        public Entry? Older { get; set; }
    }

    private sealed class PodState(PodInfo pod, string nodeName)
    {
        public PodInfo Pod { get; } = pod;

        public string NodeName { get; } = nodeName;

        /// <summary>Null while being bound, and for ever when assumptions do not expire.</summary>
        public DateTimeOffset? Deadline { get; set; }
    }
}
