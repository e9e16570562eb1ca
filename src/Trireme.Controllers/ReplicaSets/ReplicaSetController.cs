using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Selectors;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.ReplicaSets;

/// <summary><see cref="ReplicaController{T}"/> for ReplicaSets.</summary>
public sealed class ReplicaSetController(ControllerContext context)
    : ReplicaController<ReplicaSet>("replicaset-controller", context, context.Options.Workers("replicaset", 5))
{
    protected override ReplicaSpec SpecOf(ReplicaSet owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return new ReplicaSpec(
            LabelRequirements.Of(owner.Spec?.Selector), owner.Spec?.Replicas ?? 1, owner.Spec?.MinReadySeconds ?? 0, owner.Spec?.Template ?? new PodTemplateSpec());
    }

    protected override ReplicaStatus StatusOf(ReplicaSet owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        var status = owner.Status ?? new ReplicaSetStatus();
        var failure = status.Conditions?.Find(c => c is { Type: ReplicaSetConditionType.ReplicaFailure, Status: "True" });
        return new ReplicaStatus(
            status.Replicas, status.FullyLabeledReplicas, status.ReadyReplicas, status.AvailableReplicas, status.ObservedGeneration, failure?.Reason, failure?.Message);
    }

    protected override Task WriteStatusAsync(ReplicaSet owner, ReplicaStatus status, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(status);
        var changed = owner.Clone();
        var target = changed.Status ??= new ReplicaSetStatus();
        target.Replicas = status.Replicas;
        target.FullyLabeledReplicas = status.FullyLabeledReplicas;
        target.ReadyReplicas = status.ReadyReplicas;
        target.AvailableReplicas = status.AvailableReplicas;
        target.ObservedGeneration = status.ObservedGeneration;
        var failure = target.Conditions?.Find(c => c is { Type: ReplicaSetConditionType.ReplicaFailure, Status: "True" } && c.Reason == status.FailureReason);
        target.Conditions = [.. (target.Conditions ?? []).Where(c => c.Type != ReplicaSetConditionType.ReplicaFailure || c == failure)];
        if (status.FailureReason is not null && failure is null)
        {
            target.Conditions.Add(new ReplicaSetCondition
            {
                Type = ReplicaSetConditionType.ReplicaFailure,
                Status = "True",
                Reason = status.FailureReason,
                Message = status.FailureMessage,
                LastTransitionTime = Time.GetUtcNow(),
            });
        }

        return Client.UpdateStatusAsync(changed, cancellationToken);
    }
}
