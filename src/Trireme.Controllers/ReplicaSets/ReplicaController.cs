using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Selectors;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.ReplicaSets;

/// <summary>What an owner of replicas asks for.</summary>
public sealed record ReplicaSpec(LabelRequirements Selector, int Replicas, int MinReadySeconds, PodTemplateSpec Template);

/// <summary>What is there of it.</summary>
/// <param name="Replicas">Active pods.</param>
/// <param name="FullyLabeledReplicas">Of these, pods with all labels of the template.</param>
/// <param name="ReadyReplicas">Of these, ready pods.</param>
/// <param name="AvailableReplicas">Of these, pods that have been ready for long enough.</param>
/// <param name="ObservedGeneration">Generation of the owner that was acted upon.</param>
/// <param name="FailureReason">Why pods could not be created or deleted; null when they could.</param>
/// <param name="FailureMessage">The same for people.</param>
public sealed record ReplicaStatus(
    int Replicas, int FullyLabeledReplicas, int ReadyReplicas, int AvailableReplicas, long ObservedGeneration, string? FailureReason, string? FailureMessage);

/// <summary>Keeps as many pods of one template alive as asked for: ReplicaSets and ReplicationControllers alike.</summary>
/// <remarks>
/// 1. Claim the pods that the selector chooses. 2. If all that was done before has been seen, create what is missing (in growing batches: when the first
/// fails the rest is not tried) or delete what is too much, the least valuable first. 3. Report.
/// </remarks>
public abstract class ReplicaController<T> : Controller
    where T : class, IKubernetesObject<T>
{
    /// <summary>At most this many pods are created or deleted at a time.</summary>
    private const int BurstReplicas = 500;

    private readonly ISharedInformer<T> _owners;
    private readonly ISharedInformer<Pod> _pods;
    private readonly Expectations _expectations;
    private readonly ControllerRefManager _refs;
    private readonly PodControl _podControl;

    protected ReplicaController(string name, ControllerContext context, int workers)
        : base(name, context, workers)
    {
        ArgumentNullException.ThrowIfNull(context);
        _expectations = new Expectations(context.TimeProvider);
        _refs = new ControllerRefManager(context.Client);
        _podControl = new PodControl(context.Client, context.EventRecorder(name), context.NewRandom());
        _owners = context.Informers.For<T>();
        _pods = context.Informers.For<Pod>();
        ControllerRefManager.AddIndex(_pods);
        ControllerRefManager.AddIndex(_owners);
        _owners.AddEventHandler(new ResourceEventHandler<T>(
            Enqueue,
            (_, now) => Enqueue(now),
            gone =>
            {
                _expectations.Forget(NamespacedName.Of(gone));
                Enqueue(gone);
            }));
        _pods.AddEventHandler(new ResourceEventHandler<Pod>(OnPodAdded, OnPodUpdated, OnPodDeleted));
    }

    protected IIndexer<T> Owners => _owners.Indexer;

    protected abstract ReplicaSpec SpecOf(T owner);

    protected abstract ReplicaStatus StatusOf(T owner);

    /// <summary>Writes the status to the API.</summary>
    protected abstract Task WriteStatusAsync(T owner, ReplicaStatus status, CancellationToken cancellationToken);

    protected override void OnTermStarted() => _expectations.Clear();

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_owners.Indexer.Get(key.Namespace, key.Name) is not { } owner)
        {
            _expectations.Forget(key);
            return ReconcileResult.Done;
        }

        var spec = SpecOf(owner);
        var settled = _expectations.IsSatisfied(key);

        // 1. Claim.
        var claimed = await _refs.ClaimAsync(owner, spec.Selector, _pods.Indexer, cancellationToken, static pod => pod.IsActive());
        var pods = claimed.Where(p => p.IsActive()).ToList();

        // 2. Act.
        Exception? failure = null;
        if (settled && owner.Metadata.DeletionTimestamp is null)
        {
            failure = await ManageReplicasAsync(key, owner, spec, pods, cancellationToken);
        }

        // 3. Report, even when acting failed.
        var now = Time.GetUtcNow();
        var status = Measure(owner, spec, pods, now, failure);
        var known = StatusOf(owner);

        // The message names a pod that was made up for this try: by it every try would be news, and the news would be a reason to try at once.
        if (status with { FailureMessage = known.FailureMessage } != known)
        {
            await WriteStatusAsync(owner, status, cancellationToken);
        }

        if (failure is not null && !(failure is ApiException refusal && PodControl.IsNamespaceTerminating(refusal)))
        {
            throw failure;
        }

        // A pod turns available by the passing of time alone: nobody tells.
        var next = pods.Select(p => p.UntilAvailable(spec.MinReadySeconds, now)).Where(t => t > TimeSpan.Zero).Min();
        return new ReconcileResult(next).Or(settled ? null : _expectations.UntilGivenUp(key));
    }

    private static ReplicaStatus Measure(T owner, ReplicaSpec spec, List<Pod> pods, DateTimeOffset now, Exception? failure)
    {
        var labels = LabelRequirements.OfSet(spec.Template.Metadata?.Labels);
        var (reason, message) = failure is null
            ? (null, null)
            : (pods.Count < spec.Replicas ? "FailedCreate" : "FailedDelete", failure.Message);
        return new ReplicaStatus(
            pods.Count,
            pods.Count(p => labels.Matches(p.Metadata.Labels)),
            pods.Count(p => p.IsReady()),
            pods.Count(p => p.IsAvailable(spec.MinReadySeconds, now)),
            owner.Metadata.Generation,
            reason,
            message);
    }

    /// <returns>What went wrong, if anything.</returns>
    private async Task<Exception?> ManageReplicasAsync(NamespacedName key, T owner, ReplicaSpec spec, List<Pod> pods, CancellationToken cancellationToken)
    {
        var missing = spec.Replicas - pods.Count;
        if (missing > 0)
        {
            return await CreateAsync(key, owner, spec, Math.Min(missing, BurstReplicas), cancellationToken);
        }

        return missing < 0 ? await DeleteAsync(key, owner, pods, Math.Min(-missing, BurstReplicas), cancellationToken) : null;
    }

    private async Task<Exception?> CreateAsync(NamespacedName key, T owner, ReplicaSpec spec, int count, CancellationToken cancellationToken)
    {
        Logger.LogDebug("Creating {Count} pods for {Key}", count, key);
        _expectations.ExpectCreations(key, count);
        var left = count;
        for (var batch = Math.Min(left, 1); batch > 0; batch = Math.Min(2 * batch, left))
        {
            var results = await Task.WhenAll(Enumerable.Range(0, batch).Select(_ => TryAsync(CreateOneAsync)));
            var failures = results.OfType<Exception>().ToList();

            // What failed will never be seen; nor will what is not tried any more.
            _expectations.CreationObserved(key, failures.Count);
            left -= batch;
            if (failures.Count > 0)
            {
                _expectations.CreationObserved(key, left);
                return failures[0];
            }
        }

        return null;

        Task CreateOneAsync() => _podControl.CreateAsync(owner, _podControl.FromTemplate(owner, spec.Template), cancellationToken);
    }

    private async Task<Exception?> DeleteAsync(NamespacedName key, T owner, List<Pod> pods, int count, CancellationToken cancellationToken)
    {
        Logger.LogDebug("Deleting {Count} pods of {Key}", count, key);
        var victims = PodRanking.LeastValuable(pods, SiblingsPerNode(owner), count, Time.GetUtcNow());
        _expectations.ExpectDeletions(key, victims.Select(p => p.Metadata.Uid!));
        var results = await Task.WhenAll(victims.Select(async pod =>
        {
            var failure = await TryAsync(() => _podControl.DeleteAsync(owner, pod, cancellationToken));
            if (failure is not null)
            {
                _expectations.DeletionObserved(key, pod.Metadata.Uid);
            }

            return failure;
        }));
        return results.OfType<Exception>().FirstOrDefault();
    }

    /// <summary>
    /// How many active pods of the same purpose run on each node: those of all replica owners with the same controller (the ReplicaSets of one
    /// Deployment), so that scaling down during a rollout thins out crowded nodes first.
    /// </summary>
    private Dictionary<string, int> SiblingsPerNode(T owner)
    {
        var controller = OwnerReferences.ControllerOf(owner)?.Uid;
        var owners = controller is null ? [owner] : _owners.Indexer.ByIndex(ControllerRefManager.ControllerIndex, controller);
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var pod in owners.SelectMany(o => _pods.Indexer.ByIndex(ControllerRefManager.ControllerIndex, o.Metadata.Uid!)))
        {
            if (pod.IsActive() && pod.Spec?.NodeName is { Length: > 0 } node)
            {
                counts[node] = counts.GetValueOrDefault(node) + 1;
            }
        }

        return counts;
    }

    private static async Task<Exception?> TryAsync(Func<Task> action)
    {
        try
        {
            await action();
            return null;
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException)
        {
            return e;
        }
    }

    private void OnPodAdded(Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            // Seen for the first time when it is going already, after a relist.
            OnPodDeleted(pod);
            return;
        }

        if (OwnerOf(pod) is { } owner)
        {
            _expectations.CreationObserved(NamespacedName.Of(owner));
            Enqueue(owner);
        }
        else if (OwnerReferences.ControllerOf(pod) is null)
        {
            EnqueueMatching(pod);
        }
    }

    private void OnPodUpdated(Pod old, Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            // Marked is as good as gone: a replacement need not wait for the grace period.
            OnPodDeleted(pod);
            return;
        }

        var (was, isNow) = (OwnerOf(old), OwnerOf(pod));
        if (was is not null && was.Metadata.Uid != isNow?.Metadata.Uid)
        {
            Enqueue(was);
        }

        if (isNow is not null)
        {
            Enqueue(isNow);
        }
        else if (OwnerReferences.ControllerOf(pod) is null)
        {
            EnqueueMatching(pod);
        }
    }

    private void OnPodDeleted(Pod pod)
    {
        if (OwnerOf(pod) is { } owner)
        {
            _expectations.DeletionObserved(NamespacedName.Of(owner), pod.Metadata.Uid);
            Enqueue(owner);
        }
    }

    private T? OwnerOf(Pod pod)
    {
        if (OwnerReferences.ControllerOf(pod) is not { } reference || reference.Kind != T.Resource.Kind)
        {
            return null;
        }

        var owner = _owners.Indexer.Get(pod.Metadata.Namespace, reference.Name ?? "");
        return owner?.Metadata.Uid == reference.Uid ? owner : null;
    }

    private void EnqueueMatching(Pod orphan)
    {
        foreach (var owner in _owners.Indexer.List(orphan.Metadata.Namespace ?? ""))
        {
            if (SpecOf(owner).Selector.Matches(orphan.Metadata.Labels))
            {
                Enqueue(owner);
            }
        }
    }
}
