using System.Globalization;
using System.Text;
using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Deployments;

/// <summary>One pass over one Deployment.</summary>
/// <remarks>
/// 1. Being deleted: report only. 2. Note that it is paused or resumed. 3. Paused, or its size was changed: scale what is there, roll nothing
/// out. 4. Otherwise move one step of the rollout, by strategy; the status of the ReplicaSets that changed brings the next pass. 5. Complete:
/// remove old revisions beyond the limit. 6. Report.
/// </remarks>
internal sealed class DeploymentSync(
    IApiClient client, IEventRecorder events, TimeProvider time, Deployment deployment, List<ReplicaSet> replicaSets, Func<ReplicaSet, IReadOnlyCollection<Pod>> podsOf)
{
    private Deployment _deployment = deployment;
    private ReplicaSet? _new;
    private List<ReplicaSet> _old = [];

    private IReadOnlyList<ReplicaSet> All => _new is null ? _old : [_new, .. _old];

    private DateTimeOffset Now => time.GetUtcNow();

    public async Task<ReconcileResult> RunAsync(CancellationToken cancellationToken)
    {
        // 1.
        if (_deployment.Metadata.DeletionTimestamp is not null)
        {
            await FindReplicaSetsAsync(create: false, cancellationToken);
            await WriteStatusAsync(DeploymentConditions.Measure(_deployment, All, _new, Now), cancellationToken);
            return ReconcileResult.Done;
        }

        // 2.
        await NotePauseAsync(cancellationToken);

        // 3.
        if (_deployment.Spec!.Paused || replicaSets.Exists(r => r.Replicas() > 0 && Revisions.Desired(r) is { } desired && desired != _deployment.Replicas()))
        {
            await FindReplicaSetsAsync(create: false, cancellationToken);
            await ScaleAsync(cancellationToken);
            if (_deployment.Spec.Paused)
            {
                await CleanUpAsync(cancellationToken);
            }

            await WriteStatusAsync(DeploymentConditions.Measure(_deployment, All, _new, Now), cancellationToken);
            return ReconcileResult.Done;
        }

        // 4.
        var moved = _deployment.IsRollingUpdate() ? await RollAsync(cancellationToken) : await RecreateAsync(cancellationToken);

        // 5.
        if (!moved && DeploymentConditions.IsComplete(_deployment, _deployment.Status ?? new DeploymentStatus()))
        {
            await CleanUpAsync(cancellationToken);
        }

        // 6.
        var status = DeploymentConditions.Measure(_deployment, All, _new, Now);
        var lookAgain = DeploymentConditions.JudgeProgress(_deployment, status, _new, All, Now);
        await WriteStatusAsync(status, cancellationToken);
        return ReconcileResult.Done.Or(lookAgain);
    }

    /// <summary>Step of a rolling update: grow the new as far as the surge allows, else shrink the old as far as availability allows.</summary>
    /// <returns>Whether something was scaled.</returns>
    private async Task<bool> RollAsync(CancellationToken cancellationToken)
    {
        await FindReplicaSetsAsync(create: true, cancellationToken);
        if (_new is null)
        {
            return true;
        }

        var size = _new.Replicas() > _deployment.Replicas()
            ? _deployment.Replicas()
            : RolloutMath.NewReplicaSetSize(_deployment, All, _new.Replicas());
        if (size != _new.Replicas())
        {
            _new = await ResizeAsync(_new, size, cancellationToken);
            return true;
        }

        return await ShrinkOldAsync(cancellationToken);
    }

    private async Task<bool> ShrinkOldAsync(CancellationToken cancellationToken)
    {
        var minAvailable = _deployment.Replicas() - _deployment.MaxUnavailable();
        var newUnavailable = _new!.Replicas() - _new!.AvailableReplicas();

        // Even if all of the new that are not available yet never will be, enough must remain.
        var spare = All.Sum(r => r.Replicas()) - minAvailable - newUnavailable;
        if (spare <= 0 || _old.Sum(r => r.Replicas()) == 0)
        {
            return false;
        }

        // Replicas that serve nobody go first: they cost no availability.
        var shrunk = 0;
        foreach (var (i, old) in OldestFirst())
        {
            var unhealthy = Math.Min(spare - shrunk, old.Replicas() - old.AvailableReplicas());
            if (unhealthy > 0)
            {
                _old[i] = await ResizeAsync(old, old.Replicas() - unhealthy, cancellationToken);
                shrunk += unhealthy;
            }
        }

        var available = All.Sum(RolloutMath.AvailableReplicas) - minAvailable;
        foreach (var (i, old) in OldestFirst())
        {
            var count = Math.Min(old.Replicas(), available);
            if (count > 0)
            {
                _old[i] = await ResizeAsync(old, old.Replicas() - count, cancellationToken);
                available -= count;
                shrunk += count;
            }
        }

        return shrunk > 0;

        List<(int Index, ReplicaSet Old)> OldestFirst() => [.. _old.Index().OrderBy(o => o.Item.Metadata.CreationTimestamp)];
    }

    /// <summary>Step of Recreate: first all old pods go, to the last, then the new come.</summary>
    private async Task<bool> RecreateAsync(CancellationToken cancellationToken)
    {
        await FindReplicaSetsAsync(create: false, cancellationToken);
        var shrunk = false;
        for (var i = 0; i < _old.Count; i++)
        {
            if (_old[i].Replicas() > 0)
            {
                _old[i] = await ResizeAsync(_old[i], 0, cancellationToken);
                shrunk = true;
            }
        }

        if (shrunk || _old.Any(r => r.Status?.Replicas > 0) || _old.SelectMany(podsOf).Any(p => !p.IsTerminal()))
        {
            return true;
        }

        if (_new is null)
        {
            await FindReplicaSetsAsync(create: true, cancellationToken);
        }

        if (_new is not null && _new.Replicas() != _deployment.Replicas())
        {
            _new = await ResizeAsync(_new, _deployment.Replicas(), cancellationToken);
            return true;
        }

        return false;
    }

    /// <summary>Brings the ReplicaSets together to the Deployment's size without rolling anything out.</summary>
    private async Task ScaleAsync(CancellationToken cancellationToken)
    {
        var active = All.Where(r => r.Replicas() > 0).ToList();
        if (active.Count <= 1)
        {
            var only = active.Count == 1 ? active[0] : _new ?? _old.MaxBy(r => r.Metadata.CreationTimestamp);
            if (only is not null)
            {
                Remember(await ResizeAsync(only, _deployment.Replicas(), cancellationToken));
            }

            return;
        }

        var saturated = _new is not null && Revisions.Desired(_new) == _deployment.Replicas()
            && _new.Replicas() == _deployment.Replicas() && _new.Status?.AvailableReplicas == _deployment.Replicas();
        if (saturated)
        {
            foreach (var old in active.Where(r => r != _new))
            {
                Remember(await ResizeAsync(old, 0, cancellationToken));
            }
        }
        else if (_deployment.IsRollingUpdate())
        {
            var sizes = RolloutMath.Proportional(_deployment, active);
            foreach (var replicaSet in active)
            {
                Remember(await ResizeAsync(replicaSet, sizes[replicaSet.Metadata.Name!], cancellationToken));
            }
        }
    }

    private void Remember(ReplicaSet changed)
    {
        if (_new?.Metadata.Uid == changed.Metadata.Uid)
        {
            _new = changed;
        }
        else
        {
            _old = [.. _old.Select(o => o.Metadata.Uid == changed.Metadata.Uid ? changed : o)];
        }
    }

    private async Task<ReplicaSet> ResizeAsync(ReplicaSet replicaSet, int size, CancellationToken cancellationToken)
    {
        var copy = replicaSet.Clone();
        var before = replicaSet.Replicas();
        if (!Revisions.AnnotateSize(_deployment, copy) & before == size)
        {
            return replicaSet;
        }

        copy.Spec!.Replicas = size;
        var changed = await client.UpdateAsync(copy, cancellationToken);
        if (before != size)
        {
            var direction = size > before ? "up" : "down";
            events.Event(_deployment, "Normal", "ScalingReplicaSet", $"Scaled {direction} replica set {replicaSet.Metadata.Name} from {before} to {size}");
        }

        return changed;
    }

    /// <summary>Tells the new ReplicaSet from the old ones, numbers it, and makes it if need be.</summary>
    private async Task FindReplicaSetsAsync(bool create, CancellationToken cancellationToken)
    {
        _new = Revisions.FindNew(_deployment, replicaSets);
        _old = [.. replicaSets.Where(r => r.Metadata.Uid != _new?.Metadata.Uid)];
        var revision = _old.Select(r => Revisions.Of(r)).DefaultIfEmpty().Max() + 1;
        if (_new is not null)
        {
            var copy = _new.Clone();
            if (Revisions.Annotate(_deployment, copy, revision, exists: true) | copy.Spec!.MinReadySeconds != _deployment.Spec!.MinReadySeconds)
            {
                copy.Spec.MinReadySeconds = _deployment.Spec.MinReadySeconds;
                _new = await client.UpdateAsync(copy, cancellationToken);
            }

            await NoteRevisionAsync(Revisions.Of(_new), cancellationToken);
            if (DeploymentConditions.Find(_deployment.Status, DeploymentConditionType.Progressing) is null)
            {
                await NoteProgressAsync("True", "FoundNewReplicaSet", $"Found new replica set \"{_new.Metadata.Name}\"", cancellationToken);
            }
        }
        else if (create)
        {
            await CreateAsync(revision, cancellationToken);
        }
    }

    private async Task CreateAsync(long revision, CancellationToken cancellationToken)
    {
        var wanted = Revisions.Make(_deployment, Revisions.Hash(_deployment.Spec!.Template!, _deployment.Status?.CollisionCount));
        wanted.Spec!.Replicas = RolloutMath.NewReplicaSetSize(_deployment, _old, 0);
        Revisions.Annotate(_deployment, wanted, revision, exists: false);
        Revisions.AnnotateSize(_deployment, wanted);
        try
        {
            _new = await client.CreateAsync(wanted, cancellationToken);
        }
        catch (ApiException e) when (e.IsAlreadyExists)
        {
            await ResolveCollisionAsync(wanted, e, cancellationToken);
        }
        catch (ApiException e) when (!PodControl.IsNamespaceTerminating(e))
        {
            var message = $"Failed to create new replica set \"{wanted.Metadata.Name}\": {e.Message}";
            events.Event(_deployment, "Warning", "ReplicaSetCreateError", message);
            await NoteProgressAsync("False", "ReplicaSetCreateError", message, cancellationToken);
            throw;
        }

        if (_new is null)
        {
            return;
        }

        if (_new.Replicas() > 0)
        {
            events.Event(_deployment, "Normal", "ScalingReplicaSet", $"Scaled up replica set {_new.Metadata.Name} from 0 to {_new.Replicas()}");
        }

        replicaSets.Add(_new);
        await NoteRevisionAsync(revision, cancellationToken);
        await NoteProgressAsync("True", "NewReplicaSetCreated", $"Created new replica set \"{_new.Metadata.Name}\"", cancellationToken);
    }

    /// <summary>The name is taken: by our own earlier try that the cache does not show yet, or, if the hashes collide, by another template.</summary>
    private async Task ResolveCollisionAsync(ReplicaSet wanted, ApiException refused, CancellationToken cancellationToken)
    {
        var existing = await client.FindAsync<ReplicaSet>(wanted.Metadata.Namespace, wanted.Metadata.Name!, cancellationToken);
        if (existing is not null && OwnerReferences.IsControlledBy(existing, _deployment) && Revisions.FindNew(_deployment, [existing]) is not null)
        {
            _new = existing;
            return;
        }

        var fresh = await client.GetAsync<Deployment>(_deployment.Metadata.Namespace, _deployment.Metadata.Name!, cancellationToken);
        fresh.Status ??= new DeploymentStatus();
        fresh.Status.CollisionCount = (fresh.Status.CollisionCount ?? 0) + 1;
        await client.UpdateStatusAsync(fresh, cancellationToken);
        throw refused;
    }

    private async Task CleanUpAsync(CancellationToken cancellationToken)
    {
        if (_deployment.Spec!.RevisionHistoryLimit is not { } limit || limit == int.MaxValue)
        {
            return;
        }

        var alive = _old.Where(r => r.Metadata.DeletionTimestamp is null).OrderBy(Revisions.Of).ToList();
        foreach (var old in alive.Take(Math.Max(0, alive.Count - limit)))
        {
            // One that has pods, or of whose state we know too little, is kept.
            if (old.Replicas() == 0 && (old.Status?.Replicas ?? 0) == 0 && (old.Status?.ObservedGeneration ?? 0) >= old.Metadata.Generation)
            {
                await client.DeleteAsync<ReplicaSet>(old.Metadata.Namespace, old.Metadata.Name!, new DeleteRequest(PreconditionUid: old.Metadata.Uid), cancellationToken);
            }
        }
    }

    private async Task NotePauseAsync(CancellationToken cancellationToken)
    {
        var current = DeploymentConditions.Find(_deployment.Status, DeploymentConditionType.Progressing);
        if (DeploymentConditions.Deadline(_deployment) is null || current?.Reason == DeploymentConditions.TimedOut)
        {
            return;
        }

        var noted = current?.Reason == DeploymentConditions.Paused;
        if (_deployment.Spec!.Paused && !noted)
        {
            await NoteProgressAsync("Unknown", DeploymentConditions.Paused, "Deployment is paused", cancellationToken);
        }
        else if (!_deployment.Spec.Paused && noted)
        {
            await NoteProgressAsync("Unknown", DeploymentConditions.Resumed, "Deployment is resumed", cancellationToken);
        }
    }

    private async Task NoteProgressAsync(string status, string reason, string message, CancellationToken cancellationToken)
    {
        if (DeploymentConditions.Deadline(_deployment) is null)
        {
            return;
        }

        var changed = (_deployment.Status ?? new DeploymentStatus()).Clone();
        DeploymentConditions.Set(changed, DeploymentConditionType.Progressing, status, reason, message, Now);
        await WriteStatusAsync(changed, cancellationToken);
    }

    private async Task NoteRevisionAsync(long revision, CancellationToken cancellationToken)
    {
        if (Revisions.Of(_deployment) == revision)
        {
            return;
        }

        var text = revision.ToString(CultureInfo.InvariantCulture);
        var body = Encoding.UTF8.GetBytes($$"""{"metadata":{"annotations":{"{{Revisions.Revision}}":"{{text}}"} } }""");
        var patched = await client.PatchAsync<Deployment>(_deployment.Metadata.Namespace, _deployment.Metadata.Name!, Patch.Merge(body), null, cancellationToken);
        if (patched.Metadata.Generation != _deployment.Metadata.Generation)
        {
            // Someone changed the spec meanwhile. What we planned is of the old one: the event of the change brings a new pass.
            patched.Spec = _deployment.Spec;
            patched.Metadata.Generation = _deployment.Metadata.Generation;
        }

        _deployment = patched;
    }

    private async Task WriteStatusAsync(DeploymentStatus status, CancellationToken cancellationToken)
    {
        if (ModelJson.JsonEquals(status, _deployment.Status))
        {
            return;
        }

        var changed = _deployment.Clone();
        changed.Status = status;
        _deployment = await client.UpdateStatusAsync(changed, cancellationToken);
    }
}
