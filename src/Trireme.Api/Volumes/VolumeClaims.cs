using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Storage.V1;
using Trireme.Api.Selectors;

namespace Trireme.Api.Volumes;

/// <summary>Which volume would do for which claim; see https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding.</summary>
public static class VolumeClaims
{
    /// <summary>Annotation of a claim: its binding is complete, in both directions.</summary>
    public const string BindCompleted = "pv.kubernetes.io/bind-completed";

    /// <summary>Annotation of a volume or claim: not its author but a controller chose the other side, and may take that back.</summary>
    public const string BoundByController = "pv.kubernetes.io/bound-by-controller";

    /// <summary>Annotation of a claim: the node for which a volume is to be made.</summary>
    public const string SelectedNode = "volume.kubernetes.io/selected-node";

    private const string NoProvisioner = "kubernetes.io/no-provisioner";

    /// <summary>Whether the claim has its volume for good.</summary>
    public static bool IsBound(PersistentVolumeClaim claim)
    {
        ArgumentNullException.ThrowIfNull(claim);
        return !string.IsNullOrEmpty(claim.Spec?.VolumeName) && claim.Metadata.Annotations?.ContainsKey(BindCompleted) == true;
    }

    /// <summary>Whether the volume is kept for this claim: by its uid, or, set by hand, by its name alone.</summary>
    public static bool IsFor(PersistentVolume volume, PersistentVolumeClaim claim)
    {
        ArgumentNullException.ThrowIfNull(volume);
        ArgumentNullException.ThrowIfNull(claim);
        return volume.Spec?.ClaimRef is { } reference
            && reference.Namespace == claim.Metadata.Namespace && reference.Name == claim.Metadata.Name
            && (string.IsNullOrEmpty(reference.Uid) || reference.Uid == claim.Metadata.Uid);
    }

    /// <summary>The volume as it is kept for the claim from now on. By this, the first step of a binding, nobody else can choose it.</summary>
    public static PersistentVolume Keep(PersistentVolume volume, PersistentVolumeClaim claim)
    {
        ArgumentNullException.ThrowIfNull(volume);
        ArgumentNullException.ThrowIfNull(claim);
        var kept = volume.Clone();
        if (kept.Spec!.ClaimRef is null)
        {
            (kept.Metadata.Annotations ??= [])[BoundByController] = "yes";
        }

        kept.Spec.ClaimRef = new ObjectReference
        {
            Kind = PersistentVolumeClaim.Resource.Kind,
            ApiVersion = PersistentVolumeClaim.Resource.ApiVersion,
            Namespace = claim.Metadata.Namespace,
            Name = claim.Metadata.Name,
            Uid = claim.Metadata.Uid,
            ResourceVersion = claim.Metadata.ResourceVersion,
        };
        return kept;
    }

    /// <summary>Whether claims of a class get their volume only when a pod needs it, and so near it.</summary>
    public static bool BindsLate(StorageClass? storageClass) => storageClass?.VolumeBindingMode == VolumeBindingMode.WaitForFirstConsumer;

    /// <summary>Whether somebody makes volumes of a class.</summary>
    public static bool IsProvisioned(StorageClass? storageClass) => storageClass?.Provisioner is { Length: > 0 } and not NoProvisioner;

    /// <summary>Whether the volume is large enough and of the kind, class and labels that the claim asks for.</summary>
    public static bool Satisfies(PersistentVolume volume, PersistentVolumeClaim claim)
    {
        ArgumentNullException.ThrowIfNull(volume);
        ArgumentNullException.ThrowIfNull(claim);
        return IsLargeEnough(volume, claim)
            && (volume.Spec?.StorageClassName ?? "") == (claim.Spec?.StorageClassName ?? "")
            && (claim.Spec?.AccessModes ?? []).TrueForAll(m => volume.Spec?.AccessModes?.Contains(m) == true)
            && (claim.Spec?.Selector is not { } selector || LabelRequirements.Of(selector).Matches(volume.Metadata.Labels));
    }

    /// <summary>The volume that is kept for the claim, else the smallest one that is free and satisfies it; null for none.</summary>
    /// <param name="volumes">All volumes.</param>
    /// <param name="claim">The claim.</param>
    /// <param name="isEligible">A further condition on either; null for none.</param>
    public static PersistentVolume? Choose(IEnumerable<PersistentVolume> volumes, PersistentVolumeClaim claim, Func<PersistentVolume, bool>? isEligible = null)
    {
        ArgumentNullException.ThrowIfNull(volumes);
        return volumes
            .Where(v => v.Metadata.DeletionTimestamp is null
                && (IsFor(v, claim) ? IsLargeEnough(v, claim) : v.Spec is { ClaimRef: null } && Satisfies(v, claim))
                && isEligible?.Invoke(v) != false)
            .OrderBy(v => v.Spec!.ClaimRef is null).ThenBy(v => Size(v.Spec!.Capacity)).ThenBy(v => v.Metadata.Name, StringComparer.Ordinal)
            .FirstOrDefault();
    }

    private static bool IsLargeEnough(PersistentVolume volume, PersistentVolumeClaim claim) =>
        (volume.Spec?.VolumeMode ?? PersistentVolumeMode.Filesystem) == (claim.Spec?.VolumeMode ?? PersistentVolumeMode.Filesystem)
        && Size(volume.Spec?.Capacity) >= Size(claim.Spec?.Resources?.Requests);

    private static Quantity Size(Dictionary<string, Quantity>? quantities) => quantities?.TryGetValue("storage", out var size) == true ? size : default;
}
