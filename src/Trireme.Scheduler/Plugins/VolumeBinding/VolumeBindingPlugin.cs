using Trireme.Api.Models.Core.V1;
using Trireme.Api.Volumes;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.VolumeBinding;

/// <summary>Lets a pod wait for its volumes, keeps it where they are, and chooses volumes for claims that wait for their first consumer.</summary>
/// <remarks>
/// A bound claim ties the pod to the nodes of its volume. A claim that binds at once but has not yet lets the pod wait. A claim that waits for the pod gets, on
/// each node that is looked at, the smallest free volume that is reachable there; or, if there is none and its class has a provisioner, the promise of one. What was
/// chosen is set aside in Reserve, so that the next pod does not choose it too, and written in PreBind; the volume controller completes the binding, and the pod is
/// bound when that is done. Upstream's plugin of this name, without capacity tracking and without limits per node.
/// </remarks>
internal sealed class VolumeBindingPlugin(IVolumeLister volumes, IPodWriter writer, TimeProvider timeProvider)
    : IPreFilterPlugin, IFilterPlugin, IReservePlugin, IPreBindPlugin, IEnqueueExtensions
{
    private const string PluginName = "VolumeBinding";

    /// <summary>A binding that takes longer is given up, and the pod tried again; upstream's bindTimeoutSeconds.</summary>
    private static readonly TimeSpan BindTimeout = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private static readonly CycleStateKey<Claims> ClaimsKey = new();

    private static readonly SchedulingStatus Immediate = SchedulingStatus.Unresolvable(PluginName, "pod has unbound immediate PersistentVolumeClaims");

    private static readonly SchedulingStatus NoVolume = SchedulingStatus.Unresolvable(PluginName, "node(s) didn't find available persistent volumes to bind");

    private static readonly SchedulingStatus Elsewhere = SchedulingStatus.Unresolvable(PluginName, "node(s) had volume node affinity conflict");

    private static readonly SchedulingStatus Missing = SchedulingStatus.Unresolvable(PluginName, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");

    // Volumes that were chosen for a claim and do not say so yet, as far as the informers know. Written by the scheduling thread and by bindings.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _setAside = new(StringComparer.Ordinal);

    public string Name => PluginName;

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.PersistentVolume, EventAction.Add | EventAction.UpdateOther)),
        new(new ClusterEvent(EventResource.PersistentVolumeClaim, EventAction.Add | EventAction.UpdateOther)),
        new(new ClusterEvent(EventResource.StorageClass, EventAction.Add | EventAction.UpdateOther)),
        new(new ClusterEvent(EventResource.Node, EventAction.Add | EventAction.UpdateNodeLabel)),
    ];

    public PreFilterResult PreFilter(CycleState state, PodInfo pod, Snapshot snapshot)
    {
        Claims? claims = null;
        foreach (var name in ClaimNames(pod.Pod))
        {
            var claim = volumes.Claim(pod.Namespace, name);
            if (claim is null)
            {
                return Refuse($"persistentvolumeclaim \"{name}\" not found");
            }

            if (claim.Metadata.DeletionTimestamp is not null)
            {
                return Refuse($"persistentvolumeclaim \"{name}\" is being deleted");
            }

            claims ??= new Claims();
            if (!VolumeClaims.IsBound(claim))
            {
                if (!VolumeClaims.BindsLate(volumes.Class(claim.Spec?.StorageClassName ?? "")))
                {
                    return new PreFilterResult(Immediate);
                }

                claims.Unbound.Add(claim);
            }
            else if (volumes.Volume(claim.Spec!.VolumeName!) is { } volume)
            {
                claims.Bound.Add(new ReachMatcher(volume));
            }
            else
            {
                return new PreFilterResult(Missing);
            }
        }

        if (claims is null)
        {
            return PreFilterResult.Skip;
        }

        state.Write(ClaimsKey, claims);
        return PreFilterResult.Success;

        static PreFilterResult Refuse(string reason) => new(SchedulingStatus.Unresolvable(PluginName, reason));
    }

    public SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node)
    {
        var claims = state.Read(ClaimsKey)!;
        foreach (var volume in claims.Bound)
        {
            if (!volume.Reaches(node))
            {
                return Elsewhere;
            }
        }

        if (claims.Unbound.Count == 0)
        {
            return SchedulingStatus.Success;
        }

        lock (_lock)
        {
            claims.Nodes[node.Name] = node;
            return ChooseLocked(claims, node) is null ? NoVolume : SchedulingStatus.Success;
        }
    }

    public SchedulingStatus Reserve(CycleState state, PodInfo pod, string nodeName)
    {
        if (state.Read(ClaimsKey) is not { Unbound.Count: > 0 } claims)
        {
            return SchedulingStatus.Success;
        }

        lock (_lock)
        {
            if (!claims.Nodes.TryGetValue(nodeName, out var node) || ChooseLocked(claims, node) is not { } chosen)
            {
                return NoVolume;
            }

            claims.Chosen = chosen;
            foreach (var (claim, volume) in chosen)
            {
                if (volume is not null)
                {
                    _setAside[volume.Metadata.Name!] = claim.Metadata.Uid!;
                }
            }
        }

        return SchedulingStatus.Success;
    }

    public void Unreserve(CycleState state, PodInfo pod, string nodeName)
    {
        if (state.Read(ClaimsKey) is { } claims)
        {
            Release(claims);
        }
    }

    public async Task<SchedulingStatus> PreBindAsync(CycleState state, PodInfo pod, string nodeName, CancellationToken cancellationToken)
    {
        if (state.Read(ClaimsKey) is not { Chosen.Count: > 0 } claims)
        {
            return SchedulingStatus.Success;
        }

        try
        {
            foreach (var (claim, volume) in claims.Chosen)
            {
                await (volume is null ? writer.SelectNodeAsync(claim, nodeName, cancellationToken) : writer.KeepVolumeAsync(volume, claim, cancellationToken));
            }

            var began = timeProvider.GetTimestamp();
            while (!claims.Chosen.TrueForAll(c => IsComplete(c.Claim)))
            {
                if (timeProvider.GetElapsedTime(began) > BindTimeout)
                {
                    return SchedulingStatus.Error(PluginName, new TimeoutException("binding volumes: timed out waiting for the condition"));
                }

                await Task.Delay(Poll, timeProvider, cancellationToken);
            }

            // From here on the volumes themselves say whose they are.
            Release(claims);
            return SchedulingStatus.Success;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return SchedulingStatus.Error(PluginName, exception);
        }
    }

    /// <summary>Names of the claims that a pod needs, those made for it (<c>POD-VOLUME</c>) included.</summary>
    private static IEnumerable<string> ClaimNames(Pod pod)
    {
        foreach (var volume in pod.Spec?.Volumes ?? [])
        {
            if (volume.PersistentVolumeClaim?.ClaimName is { Length: > 0 } name)
            {
                yield return name;
            }
            else if (volume.Ephemeral is not null)
            {
                yield return $"{pod.Metadata.Name}-{volume.Name}";
            }
        }
    }

    private bool IsComplete(PersistentVolumeClaim claim) =>
        volumes.Claim(claim.Metadata.Namespace!, claim.Metadata.Name!) is { } now && now.Metadata.Uid == claim.Metadata.Uid && VolumeClaims.IsBound(now)
        && volumes.Volume(now.Spec!.VolumeName!)?.Spec?.ClaimRef is not null;

    private void Release(Claims claims)
    {
        lock (_lock)
        {
            foreach (var (_, volume) in claims.Chosen)
            {
                if (volume is not null)
                {
                    _setAside.Remove(volume.Metadata.Name!);
                }
            }

            claims.Chosen = [];
        }
    }

    /// <summary>A volume for each unbound claim, all different and within reach of the node; null in place of one that will be made. Null if one claim finds none.</summary>
    private List<(PersistentVolumeClaim Claim, PersistentVolume? Volume)>? ChooseLocked(Claims claims, NodeInfo node)
    {
        var chosen = new List<(PersistentVolumeClaim, PersistentVolume?)>();
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var claim in claims.Unbound)
        {
            var volume = VolumeClaims.Choose(
                volumes.Volumes(),
                claim,
                v => !taken.Contains(v.Metadata.Name!)
                    && (string.IsNullOrEmpty(claim.Spec?.VolumeName) || claim.Spec.VolumeName == v.Metadata.Name)
                    && (!_setAside.TryGetValue(v.Metadata.Name!, out var other) || other == claim.Metadata.Uid)
                    && new ReachMatcher(v).Reaches(node));
            if (volume is null && !VolumeClaims.IsProvisioned(volumes.Class(claim.Spec?.StorageClassName ?? "")))
            {
                return null;
            }

            if (volume is not null)
            {
                taken.Add(volume.Metadata.Name!);
            }

            chosen.Add((claim, volume));
        }

        return chosen;
    }

    /// <summary>From which nodes a volume can be reached: all, unless it says otherwise.</summary>
    private sealed class ReachMatcher(PersistentVolume volume)
    {
        private readonly NodeTermMatcher[]? _terms =
            volume.Spec?.NodeAffinity?.Required is { } required ? [.. (required.NodeSelectorTerms ?? []).Select(t => new NodeTermMatcher(t))] : null;

        public bool Reaches(NodeInfo node) => _terms is null || Array.Exists(_terms, t => t.Matches(node));
    }

    private sealed class Claims : ICycleStateData
    {
        public List<ReachMatcher> Bound { get; } = [];

        public List<PersistentVolumeClaim> Unbound { get; } = [];

        /// <summary>The nodes that were looked at, for Reserve.</summary>
        public Dictionary<string, NodeInfo> Nodes { get; } = new(StringComparer.Ordinal);

        public List<(PersistentVolumeClaim Claim, PersistentVolume? Volume)> Chosen { get; set; } = [];

        // Pods that are added and removed by way of trial change nothing about volumes.
        public ICycleStateData Clone() => this;
    }
}
