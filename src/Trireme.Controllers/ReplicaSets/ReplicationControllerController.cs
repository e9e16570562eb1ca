using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Selectors;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.ReplicaSets;

/// <summary><see cref="ReplicaController{T}"/> for ReplicationControllers, the ReplicaSet's ancestor.</summary>
public sealed class ReplicationControllerController(ControllerContext context)
    : ReplicaController<ReplicationController>("replicationcontroller-controller", context, context.Options.Workers("rc", 2))
{
    private const string ReplicaFailure = "ReplicaFailure";

    protected override ReplicaSpec SpecOf(ReplicationController owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        var selector = owner.Spec?.Selector is { Count: > 0 } labels ? LabelRequirements.OfSet(labels) : LabelRequirements.Nothing;
        return new ReplicaSpec(selector, owner.Spec?.Replicas ?? 1, owner.Spec?.MinReadySeconds ?? 0, owner.Spec?.Template ?? new PodTemplateSpec());
    }

    protected override ReplicaStatus StatusOf(ReplicationController owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        var status = owner.Status ?? new ReplicationControllerStatus();
        var failure = status.Conditions?.Find(c => c is { Type: ReplicaFailure, Status: "True" });
        return new ReplicaStatus(
            status.Replicas, status.FullyLabeledReplicas, status.ReadyReplicas, status.AvailableReplicas, status.ObservedGeneration, failure?.Reason, failure?.Message);
    }

    protected override Task WriteStatusAsync(ReplicationController owner, ReplicaStatus status, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(status);
        var changed = owner.Clone();
        var target = changed.Status ??= new ReplicationControllerStatus();
        target.Replicas = status.Replicas;
        target.FullyLabeledReplicas = status.FullyLabeledReplicas;
        target.ReadyReplicas = status.ReadyReplicas;
        target.AvailableReplicas = status.AvailableReplicas;
        target.ObservedGeneration = status.ObservedGeneration;
        var failure = target.Conditions?.Find(c => c is { Type: ReplicaFailure, Status: "True" } && c.Reason == status.FailureReason);
        target.Conditions = [.. (target.Conditions ?? []).Where(c => c.Type != ReplicaFailure || c == failure)];
        if (status.FailureReason is not null && failure is null)
        {
            target.Conditions.Add(new ReplicationControllerCondition
            {
                Type = ReplicaFailure,
                Status = "True",
                Reason = status.FailureReason,
                Message = status.FailureMessage,
                LastTransitionTime = Time.GetUtcNow(),
            });
        }

        return Client.UpdateStatusAsync(changed, cancellationToken);
    }
}
