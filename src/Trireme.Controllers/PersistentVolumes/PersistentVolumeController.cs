using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Storage.V1;
using Trireme.Api.Volumes;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.PersistentVolumes;

/// <summary>Brings claims and volumes together, and says of both in what state they are.</summary>
/// <remarks>
/// <code>
/// claim:  Pending ──► Bound ──(its volume is gone)──► Lost
/// volume: Available ──► Bound ──(its claim is gone)──► Released; Failed, if it should be deleted: nobody here can
/// </code>
/// A binding is written in four steps: 1. the volume names the claim, 2. its status; 3. the claim names the volume, 4. its status. Only the first is a decision, and
/// the volume's version lets only one claim win; the rest follows from it, whoever does it and however often. Claims of a class that waits for the first
/// consumer are decided by the scheduler, which does the first step. A volume that is to be made is left to the provisioner of its class.
/// One worker: two claims must not be given the same volume out of one cache.
/// </remarks>
public sealed class PersistentVolumeController : Controller
{
    private const string ByClaim = "claim";

    // Both are read by provisioners: the older one by older ones.
    private static readonly string[] _provisionerAnnotations = ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];

    private readonly ISharedInformer<PersistentVolumeClaim> _claims;
    private readonly ISharedInformer<PersistentVolume> _volumes;
    private readonly ISharedInformer<StorageClass> _classes;
    private readonly IEventRecorder _events;

    public PersistentVolumeController(ControllerContext context)
        : base("persistentvolume-binder-controller", context, 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _events = context.EventRecorder("persistentvolume-controller");
        _claims = context.Informers.For<PersistentVolumeClaim>();
        _volumes = context.Informers.For<PersistentVolume>();
        _classes = context.Informers.For<StorageClass>();
        _volumes.Indexer.AddIndex(ByClaim, static v => v.Spec?.ClaimRef is { } claim ? [$"{claim.Namespace}/{claim.Name}"] : []);
        _claims.AddEventHandler(new ResourceEventHandler<PersistentVolumeClaim>(EnqueueBoth, (_, now) => EnqueueBoth(now), EnqueueBoth));
        _volumes.AddEventHandler(new ResourceEventHandler<PersistentVolume>(OnVolume, (_, now) => OnVolume(now), OnVolume));
        _classes.AddEventHandler(new ResourceEventHandler<StorageClass>(_ => EnqueuePending(), (_, _) => EnqueuePending()));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (key.Namespace.Length == 0)
        {
            if (_volumes.Indexer.Get(null, key.Name) is { Spec: not null } volume)
            {
                await SyncVolumeAsync(volume, cancellationToken);
            }
        }
        else if (_claims.Indexer.Get(key.Namespace, key.Name) is { Spec: not null } claim)
        {
            await SyncClaimAsync(claim, cancellationToken);
        }

        return ReconcileResult.Done;
    }

    private async Task SyncClaimAsync(PersistentVolumeClaim claim, CancellationToken cancellationToken)
    {
        var chosen = claim.Spec!.VolumeName is { Length: > 0 } name
            ? _volumes.Indexer.Get(null, name) ?? await Client.FindAsync<PersistentVolume>(null, name, cancellationToken)
            : null;
        if (VolumeClaims.IsBound(claim))
        {
            if (chosen is null || (chosen.Spec?.ClaimRef is not null && !VolumeClaims.IsFor(chosen, claim)))
            {
                await SetPhaseAsync(claim, PersistentVolumeClaimPhase.Lost, cancellationToken);
                return;
            }

            await BindAsync(chosen, claim, cancellationToken);
            return;
        }

        if (claim.Metadata.DeletionTimestamp is not null)
        {
            return;
        }

        var storageClass = _classes.Indexer.Get(null, claim.Spec.StorageClassName ?? "");
        if (claim.Spec.VolumeName is not { Length: > 0 })
        {
            // One that is kept for the claim is taken in any case: the scheduler may just have chosen it.
            chosen = VolumeClaims.Choose(_volumes.Indexer.List(), claim, v => !VolumeClaims.BindsLate(storageClass) || VolumeClaims.IsFor(v, claim));
        }
        else if (chosen is not null && !VolumeClaims.IsFor(chosen, claim) && !(chosen.Spec is { ClaimRef: null } && VolumeClaims.Satisfies(chosen, claim)))
        {
            _events.Event(claim, "Warning", "VolumeMismatch", $"Cannot bind to requested volume \"{chosen.Metadata.Name}\": it is taken, or not what the claim asks for");
            chosen = null;
        }

        if (chosen is not null)
        {
            await BindAsync(chosen, claim, cancellationToken);
            return;
        }

        var pending = await SetPhaseAsync(claim, PersistentVolumeClaimPhase.Pending, cancellationToken);
        if (string.IsNullOrEmpty(claim.Spec.VolumeName))
        {
            await AwaitVolumeAsync(pending, storageClass, cancellationToken);
        }
    }

    /// <summary>Says for whom the claim waits, and asks the provisioner of its class if there is one.</summary>
    private async Task AwaitVolumeAsync(PersistentVolumeClaim claim, StorageClass? storageClass, CancellationToken cancellationToken)
    {
        if (VolumeClaims.BindsLate(storageClass) && claim.Metadata.Annotations?.ContainsKey(VolumeClaims.SelectedNode) != true)
        {
            _events.Event(claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
        }
        else if (!VolumeClaims.IsProvisioned(storageClass))
        {
            _events.Event(claim, "Normal", "FailedBinding", "no persistent volumes available for this claim and no storage class is set");
        }
        else if (!Array.TrueForAll(_provisionerAnnotations, a => claim.Metadata.Annotations?.GetValueOrDefault(a) == storageClass!.Provisioner))
        {
            var changed = claim.Clone();
            Array.ForEach(_provisionerAnnotations, a => (changed.Metadata.Annotations ??= [])[a] = storageClass!.Provisioner!);
            await Client.UpdateAsync(changed, cancellationToken);
            _events.Event(
                claim, "Normal", "ExternalProvisioning", $"Waiting for a volume to be created either by the external provisioner '{storageClass!.Provisioner}' or manually by the system administrator");
        }
    }

    /// <summary>Writes what is still missing of a binding.</summary>
    private async Task BindAsync(PersistentVolume volume, PersistentVolumeClaim claim, CancellationToken cancellationToken)
    {
        // 1.
        if (volume.Spec!.ClaimRef is not { Uid.Length: > 0 })
        {
            volume = await Client.UpdateAsync(VolumeClaims.Keep(volume, claim), cancellationToken);
            Logger.LogInformation("Volume {Volume} is bound to claim {Claim}", volume.Metadata.Name, NamespacedName.Of(claim));
        }

        // 2.
        volume = await SetPhaseAsync(volume, PersistentVolumePhase.Bound, null, cancellationToken);

        // 3.
        if (!VolumeClaims.IsBound(claim))
        {
            var bound = claim.Clone();
            var annotations = bound.Metadata.Annotations ??= [];
            if (string.IsNullOrEmpty(bound.Spec!.VolumeName))
            {
                annotations[VolumeClaims.BoundByController] = "yes";
            }

            annotations[VolumeClaims.BindCompleted] = "yes";
            bound.Spec.VolumeName = volume.Metadata.Name;
            claim = await Client.UpdateAsync(bound, cancellationToken);
        }

        // 4.
        if (claim.Status is not { Phase: PersistentVolumeClaimPhase.Bound })
        {
            var changed = claim.Clone();
            changed.Status = new PersistentVolumeClaimStatus { Phase = PersistentVolumeClaimPhase.Bound, AccessModes = volume.Spec!.AccessModes, Capacity = volume.Spec.Capacity };
            await Client.UpdateStatusAsync(changed, cancellationToken);
        }
    }

    private async Task SyncVolumeAsync(PersistentVolume volume, CancellationToken cancellationToken)
    {
        if (volume.Metadata.DeletionTimestamp is not null)
        {
            return;
        }

        if (volume.Spec!.ClaimRef is not { Uid.Length: > 0 } reference)
        {
            // Free, or kept by hand for a claim that may not exist yet.
            await SetPhaseAsync(volume, PersistentVolumePhase.Available, null, cancellationToken);
            return;
        }

        var claim = _claims.Indexer.Get(reference.Namespace, reference.Name ?? "");
        if (claim?.Metadata.Uid != reference.Uid)
        {
            // The cache may be behind; the API has the last word.
            claim = await Client.FindAsync<PersistentVolumeClaim>(reference.Namespace, reference.Name ?? "", cancellationToken);
        }

        if (claim?.Metadata.Uid != reference.Uid)
        {
            await ReleaseAsync(volume, cancellationToken);
        }
        else if (claim!.Spec?.VolumeName == volume.Metadata.Name)
        {
            await SetPhaseAsync(volume, PersistentVolumePhase.Bound, null, cancellationToken);
        }
        else if (!string.IsNullOrEmpty(claim.Spec?.VolumeName) && volume.Metadata.Annotations?.ContainsKey(VolumeClaims.BoundByController) == true)
        {
            // The claim got another volume: this one was chosen out of an old cache, and is free again.
            var free = volume.Clone();
            free.Spec!.ClaimRef = null;
            free.Metadata.Annotations!.Remove(VolumeClaims.BoundByController);
            await Client.UpdateAsync(free, cancellationToken);
        }
    }

    private Task ReleaseAsync(PersistentVolume volume, CancellationToken cancellationToken)
    {
        if (volume.Spec!.PersistentVolumeReclaimPolicy is null or PersistentVolumeReclaimPolicy.Retain || IsProvisionedElsewhere(volume))
        {
            return SetPhaseAsync(volume, PersistentVolumePhase.Released, null, cancellationToken);
        }

        var message = $"error getting deleter volume plugin for volume \"{volume.Metadata.Name}\": no deletable volume plugin matched";
        return SetPhaseAsync(volume, PersistentVolumePhase.Failed, message, cancellationToken);
    }

    /// <summary>Whoever made the volume also deletes it, once it is released.</summary>
    private static bool IsProvisionedElsewhere(PersistentVolume volume) => volume.Metadata.Annotations?.ContainsKey("pv.kubernetes.io/provisioned-by") == true;

    private async Task<PersistentVolume> SetPhaseAsync(PersistentVolume volume, string phase, string? message, CancellationToken cancellationToken)
    {
        if (volume.Status?.Phase == phase)
        {
            return volume;
        }

        var changed = volume.Clone();
        changed.Status = new PersistentVolumeStatus { Phase = phase, Message = message, LastPhaseTransitionTime = Time.GetUtcNow() };
        if (message is not null)
        {
            _events.Event(volume, "Warning", "VolumeFailedDelete", message);
        }

        return await Client.UpdateStatusAsync(changed, cancellationToken);
    }

    private async Task<PersistentVolumeClaim> SetPhaseAsync(PersistentVolumeClaim claim, string phase, CancellationToken cancellationToken)
    {
        if (claim.Status?.Phase == phase)
        {
            return claim;
        }

        var changed = claim.Clone();
        changed.Status = new PersistentVolumeClaimStatus { Phase = phase };
        if (phase == PersistentVolumeClaimPhase.Lost)
        {
            _events.Event(claim, "Warning", "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
        }

        return await Client.UpdateStatusAsync(changed, cancellationToken);
    }

    private void EnqueueBoth(PersistentVolumeClaim claim)
    {
        Enqueue(claim);
        foreach (var volume in _volumes.Indexer.ByIndex(ByClaim, $"{claim.Metadata.Namespace}/{claim.Metadata.Name}"))
        {
            Enqueue(volume);
        }
    }

    private void OnVolume(PersistentVolume volume)
    {
        Enqueue(volume);
        if (volume.Spec?.ClaimRef is { Namespace: { Length: > 0 } @namespace, Name: { Length: > 0 } name })
        {
            Queue.Add(new NamespacedName(@namespace, name));
        }
        else
        {
            EnqueuePending();
        }
    }

    private void EnqueuePending()
    {
        foreach (var claim in _claims.Indexer.List())
        {
            if (!VolumeClaims.IsBound(claim))
            {
                Enqueue(claim);
            }
        }
    }
}
