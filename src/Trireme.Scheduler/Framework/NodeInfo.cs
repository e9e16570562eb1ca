using System.Runtime.InteropServices;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>A node with the pods on it, summed up.</summary>
/// <remarks>The cache changes its own under its lock; those in a <see cref="Cache.Snapshot"/> are copies that nobody changes.</remarks>
internal sealed class NodeInfo
{
    private static readonly Dictionary<string, string> NoLabels = [];
    private static readonly Dictionary<string, ImageState> NoImages = [];

    private readonly List<PodInfo> _pods;
    private readonly List<PodInfo> _podsWithAffinity;
    private readonly List<PodInfo> _podsWithRequiredAntiAffinity;
    private readonly List<PodGroupCount> _podGroups;
    private readonly List<HostPort> _usedPorts;

    /// <summary>A node without pods; <paramref name="node"/> may be null while pods are known whose node is not.</summary>
    public NodeInfo(string name, Node? node = null)
    {
        Name = name;
        _pods = [];
        _podsWithAffinity = [];
        _podsWithRequiredAntiAffinity = [];
        _podGroups = [];
        _usedPorts = [];
        Requested = new Resource();
        if (node is not null)
        {
            SetNode(node);
        }
    }

    private NodeInfo(NodeInfo other)
    {
        Name = other.Name;
        Generation = other.Generation;
        Node = other.Node;
        Labels = other.Labels;
        Taints = other.Taints;
        Allocatable = other.Allocatable;
        Images = other.Images;
        _pods = [.. other._pods];
        _podsWithAffinity = other._podsWithAffinity.Count == 0 ? [] : [.. other._podsWithAffinity];
        _podsWithRequiredAntiAffinity = other._podsWithRequiredAntiAffinity.Count == 0 ? [] : [.. other._podsWithRequiredAntiAffinity];
        _podGroups = [.. other._podGroups];
        _usedPorts = other._usedPorts.Count == 0 ? [] : [.. other._usedPorts];
        Requested = other.Requested.Clone();
        NonZeroMilliCpu = other.NonZeroMilliCpu;
        NonZeroMemory = other.NonZeroMemory;
    }

    public string Name { get; }

    /// <summary>Grows with each change; equal generations mean equal content.</summary>
    public long Generation { get; set; }

    /// <summary>Null when the node object is not (any longer) there.</summary>
    public Node? Node { get; private set; }

    public Dictionary<string, string> Labels { get; private set; } = NoLabels;

    public Taint[] Taints { get; private set; } = [];

    public bool IsUnschedulable => Node?.Spec?.Unschedulable == true;

    public Resource Allocatable { get; private set; } = new();

    /// <summary>Images on the node by name. Replaced as a whole, never changed.</summary>
    public Dictionary<string, ImageState> Images { get; set; } = NoImages;

    public Resource Requested { get; }

    /// <summary>Requests with a default where a container asks for nothing: for scores only.</summary>
    public long NonZeroMilliCpu { get; private set; }

    /// <inheritdoc cref="NonZeroMilliCpu"/>
    public long NonZeroMemory { get; private set; }

    public ReadOnlySpan<PodInfo> Pods => CollectionsMarshal.AsSpan(_pods);

    /// <summary>Pods that have any affinity or anti-affinity to other pods.</summary>
    public ReadOnlySpan<PodInfo> PodsWithAffinity => CollectionsMarshal.AsSpan(_podsWithAffinity);

    public ReadOnlySpan<PodInfo> PodsWithRequiredAntiAffinity => CollectionsMarshal.AsSpan(_podsWithRequiredAntiAffinity);

    /// <summary>The pods counted by group.</summary>
    public ReadOnlySpan<PodGroupCount> PodGroups => CollectionsMarshal.AsSpan(_podGroups);

    public NodeInfo Clone() => new(this);

    public void SetNode(Node node)
    {
        Node = node;
        Labels = node.Metadata.Labels ?? NoLabels;
        Taints = node.Spec?.Taints?.ToArray() ?? [];
        Allocatable = Resource.From(node.Status?.Allocatable);
    }

    /// <summary>The node object is gone; its pods may still be there for a while.</summary>
    public void RemoveNode()
    {
        Node = null;
        Labels = NoLabels;
        Taints = [];
        Allocatable = new Resource();
        Images = NoImages;
    }

    public void AddPod(PodInfo pod)
    {
        _pods.Add(pod);
        if (pod.HasAffinity)
        {
            _podsWithAffinity.Add(pod);
        }

        if (pod.RequiredAntiAffinity.Length > 0)
        {
            _podsWithRequiredAntiAffinity.Add(pod);
        }

        Requested.Add(pod.Requests);
        NonZeroMilliCpu += pod.NonZeroMilliCpu;
        NonZeroMemory += pod.NonZeroMemory;
        _usedPorts.AddRange(pod.HostPorts);
        Count(pod.Group, 1);
    }

    /// <summary>Removes the pod with this uid; false when it is not here.</summary>
    public bool RemovePod(string uid)
    {
        if (Take(_pods, uid) is not { } pod)
        {
            return false;
        }

        if (pod.HasAffinity)
        {
            Take(_podsWithAffinity, uid);
        }

        if (pod.RequiredAntiAffinity.Length > 0)
        {
            Take(_podsWithRequiredAntiAffinity, uid);
        }

        Requested.Subtract(pod.Requests);
        NonZeroMilliCpu -= pod.NonZeroMilliCpu;
        NonZeroMemory -= pod.NonZeroMemory;
        foreach (var port in pod.HostPorts)
        {
            _usedPorts.Remove(port);
        }

        Count(pod.Group, -1);
        return true;
    }

    /// <summary>Whether none of the ports is taken.</summary>
    public bool HasFree(HostPort[] ports)
    {
        foreach (var port in ports)
        {
            foreach (ref readonly var used in CollectionsMarshal.AsSpan(_usedPorts))
            {
                if (used.ConflictsWith(port))
                {
                    return false;
                }
            }
        }

        return true;
    }

    public override string ToString() => Name;

    private static PodInfo? Take(List<PodInfo> pods, string uid)
    {
        for (var i = 0; i < pods.Count; i++)
        {
            if (pods[i].Uid == uid)
            {
                var pod = pods[i];
                pods[i] = pods[^1];
                pods.RemoveAt(pods.Count - 1);
                return pod;
            }
        }

        return null;
    }

    private void Count(PodLabelGroup group, int change)
    {
        var groups = CollectionsMarshal.AsSpan(_podGroups);
        for (var i = 0; i < groups.Length; i++)
        {
            if (!groups[i].Group.Equals(group))
            {
                continue;
            }

            groups[i].Count += change;
            if (groups[i].Count == 0)
            {
                groups[i] = groups[^1];
                _podGroups.RemoveAt(_podGroups.Count - 1);
            }

            return;
        }

        _podGroups.Add(new PodGroupCount(group, change));
    }
}

/// <summary>An image on a node.</summary>
/// <param name="SizeBytes">Its size.</param>
/// <param name="NodeCount">On how many nodes it is; shared and updated by the cache.</param>
internal readonly record struct ImageState(long SizeBytes, int NodeCount);
