using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Selectors;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Deployments;

/// <summary>Rolls Deployments out: one ReplicaSet per pod template, replicas moved from the old ones to the new one.</summary>
/// <remarks>What happens to one Deployment in one pass is <see cref="DeploymentSync"/>; here is when it happens.</remarks>
public sealed class DeploymentController : Controller
{
    private readonly ISharedInformer<Deployment> _deployments;
    private readonly ISharedInformer<ReplicaSet> _replicaSets;
    private readonly ISharedInformer<Pod> _pods;
    private readonly ControllerRefManager _refs;
    private readonly IEventRecorder _events;

    public DeploymentController(ControllerContext context)
        : base("deployment-controller", context, context?.Options.Workers("deployment", 5) ?? 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _refs = new ControllerRefManager(context.Client);
        _events = context.EventRecorder(Name);
        _deployments = context.Informers.For<Deployment>();
        _replicaSets = context.Informers.For<ReplicaSet>();
        _pods = context.Informers.For<Pod>();
        ControllerRefManager.AddIndex(_replicaSets);
        ControllerRefManager.AddIndex(_pods);
        _deployments.AddEventHandler(new ResourceEventHandler<Deployment>(Enqueue, (_, now) => Enqueue(now), Enqueue));
        _replicaSets.AddEventHandler(new ResourceEventHandler<ReplicaSet>(
            EnqueueOwner,
            (old, now) =>
            {
                EnqueueOwner(now);
                if (OwnerReferences.ControllerOf(old)?.Uid != OwnerReferences.ControllerOf(now)?.Uid)
                {
                    EnqueueOwner(old);
                }
            },
            EnqueueOwner));

        // Recreate waits for the last old pod to be gone, of which the ReplicaSet says nothing.
        _pods.AddEventHandler(new ResourceEventHandler<Pod>(OnUpdate: (_, now) => EnqueueRecreate(now), OnDelete: EnqueueRecreate));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_deployments.Indexer.Get(key.Namespace, key.Name) is not { } shared)
        {
            return ReconcileResult.Done;
        }

        var deployment = shared.Clone();
        var selector = LabelRequirements.Of(deployment.Spec?.Selector);
        if (deployment.Spec is null || selector.MatchesEverything || selector.MatchesNothing)
        {
            _events.Event(deployment, "Warning", "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.");
            return ReconcileResult.Done;
        }

        var replicaSets = await _refs.ClaimAsync(deployment, selector, _replicaSets.Indexer, cancellationToken);
        var sync = new DeploymentSync(Client, _events, Time, deployment, replicaSets, PodsOf);
        return await sync.RunAsync(cancellationToken);
    }

    private IReadOnlyCollection<Pod> PodsOf(ReplicaSet replicaSet) => _pods.Indexer.ByIndex(ControllerRefManager.ControllerIndex, replicaSet.Metadata.Uid!);

    private void EnqueueOwner(ReplicaSet replicaSet)
    {
        if (OwnerReferences.ControllerOf(replicaSet) is { Kind: "Deployment", Name: { } name })
        {
            Queue.Add(new NamespacedName(replicaSet.Metadata.Namespace ?? "", name));
        }
        else if (OwnerReferences.ControllerOf(replicaSet) is null && replicaSet.Metadata.DeletionTimestamp is null)
        {
            foreach (var deployment in _deployments.Indexer.List(replicaSet.Metadata.Namespace ?? ""))
            {
                if (LabelRequirements.Of(deployment.Spec?.Selector).Matches(replicaSet.Metadata.Labels))
                {
                    Enqueue(deployment);
                }
            }
        }
    }

    private void EnqueueRecreate(Pod pod)
    {
        if ((pod.Metadata.DeletionTimestamp is not null || pod.IsTerminal())
            && OwnerReferences.ControllerOf(pod) is { Kind: "ReplicaSet", Name: { } name }
            && _replicaSets.Indexer.Get(pod.Metadata.Namespace, name) is { } replicaSet
            && OwnerReferences.ControllerOf(replicaSet) is { Kind: "Deployment", Name: { } owner }
            && _deployments.Indexer.Get(pod.Metadata.Namespace, owner)?.Spec?.Strategy?.Type == DeploymentStrategyType.Recreate)
        {
            Queue.Add(new NamespacedName(pod.Metadata.Namespace ?? "", owner));
        }
    }
}
