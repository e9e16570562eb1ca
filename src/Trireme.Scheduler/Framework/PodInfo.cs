using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>A pod and everything the plugins would otherwise parse again for each node. Immutable; one per version of the pod.</summary>
internal sealed class PodInfo
{
    public PodInfo(Pod pod, PodLabelGroups? groups = null)
    {
        Pod = pod;
        Namespace = string.Intern(pod.Metadata.Namespace ?? "");
        Name = pod.Metadata.Name ?? "";
        Uid = pod.Metadata.Uid is { Length: > 0 } uid ? uid : $"{Namespace}/{Name}";
        var spec = pod.Spec;
        Priority = spec?.Priority ?? 0;
        Requests = PodRequests.Of(pod);
        var nonZero = PodRequests.NonZero(pod);
        NonZeroMilliCpu = nonZero.MilliCpu;
        NonZeroMemory = nonZero.Memory;
        HostPorts = HostPort.Of(pod);
        var group = new PodLabelGroup(Namespace, pod.Metadata.Labels, pod.Metadata.DeletionTimestamp is not null);
        Group = groups?.Intern(group) ?? group;
        NodeAffinity = new NodeAffinityMatcher(spec);
        Tolerations = spec?.Tolerations is { Count: > 0 } tolerations ? new Tolerations(tolerations) : Tolerations.None;
        RequiredAffinity = Terms(spec?.Affinity?.PodAffinity?.RequiredDuringSchedulingIgnoredDuringExecution);
        RequiredAntiAffinity = Terms(spec?.Affinity?.PodAntiAffinity?.RequiredDuringSchedulingIgnoredDuringExecution);
        PreferredAffinity =
        [
            .. Weighted(spec?.Affinity?.PodAffinity?.PreferredDuringSchedulingIgnoredDuringExecution, 1),
            .. Weighted(spec?.Affinity?.PodAntiAffinity?.PreferredDuringSchedulingIgnoredDuringExecution, -1),
        ];
        SpreadConstraints = [.. (spec?.TopologySpreadConstraints ?? []).Select(c => SpreadConstraint.Of(c, pod))];
    }

    public Pod Pod { get; }

    public string Uid { get; }

    public string Namespace { get; }

    public string Name { get; }

    public int Priority { get; }

    /// <summary>The node it is assigned to; null while pending.</summary>
    public string? NodeName => Pod.Spec?.NodeName is { Length: > 0 } node ? node : null;

    /// <summary>The node on which pods are being evicted for it; null when there is none.</summary>
    public string? NominatedNodeName => Pod.Status?.NominatedNodeName is { Length: > 0 } node ? node : null;

    public bool IsTerminating => Pod.Metadata.DeletionTimestamp is not null;

    public Resource Requests { get; }

    public long NonZeroMilliCpu { get; }

    public long NonZeroMemory { get; }

    public HostPort[] HostPorts { get; }

    public PodLabelGroup Group { get; }

    public NodeAffinityMatcher NodeAffinity { get; }

    public Tolerations Tolerations { get; }

    public AffinityTerm[] RequiredAffinity { get; }

    public AffinityTerm[] RequiredAntiAffinity { get; }

    /// <summary>Preferred affinity and, with negative weight, preferred anti-affinity.</summary>
    public WeightedAffinityTerm[] PreferredAffinity { get; }

    public SpreadConstraint[] SpreadConstraints { get; }

    /// <summary>Whether it says anything about other pods.</summary>
    public bool HasAffinity => RequiredAffinity.Length > 0 || RequiredAntiAffinity.Length > 0 || PreferredAffinity.Length > 0;

    public override string ToString() => $"{Namespace}/{Name}";

    private AffinityTerm[] Terms(List<PodAffinityTerm>? terms) => terms is null ? [] : [.. terms.Select(t => new AffinityTerm(t, Pod))];

    private IEnumerable<WeightedAffinityTerm> Weighted(List<WeightedPodAffinityTerm>? terms, int sign) =>
        (terms ?? []).Select(t => new WeightedAffinityTerm(new AffinityTerm(t.PodAffinityTerm, Pod), sign * t.Weight));
}
