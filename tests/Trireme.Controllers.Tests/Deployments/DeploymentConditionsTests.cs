using Trireme.Api.Models.Apps.V1;
using Trireme.Controllers.Deployments;

namespace Trireme.Controllers.Tests.Deployments;

public sealed class DeploymentConditionsTests
{
    private static readonly DateTimeOffset _now = new(2026, 1, 2, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_rollout_that_succeeded_long_ago_is_not_looked_at_by_the_clock_however_few_pods_are_well()
    {
        Assert.Null(Judge(DeploymentConditions.NewReplicaSetAvailable, TimeSpan.FromHours(5)));
    }

    [Fact]
    public void A_rollout_that_stands_still_is_looked_at_when_its_deadline_has_passed()
    {
        Assert.Equal(TimeSpan.FromSeconds(501), Judge("ReplicaSetUpdated", TimeSpan.FromSeconds(100)));
    }

    private static TimeSpan? Judge(string reason, TimeSpan ago)
    {
        var deployment = Objects.Deployment(3);
        DeploymentCondition condition = new() { Type = "Progressing", Status = "True", Reason = reason, LastUpdateTime = _now - ago, LastTransitionTime = _now - ago };
        deployment.Status = new DeploymentStatus { Replicas = 3, UpdatedReplicas = 3, Conditions = [condition] };
        var replicaSet = Objects.ReplicaSet(3);
        replicaSet.Status = new ReplicaSetStatus { Replicas = 3, ReadyReplicas = 1, AvailableReplicas = 1 };
        var status = DeploymentConditions.Measure(deployment, [replicaSet], replicaSet, _now);
        deployment.Status.ReadyReplicas = status.ReadyReplicas;
        deployment.Status.AvailableReplicas = status.AvailableReplicas;
        return DeploymentConditions.JudgeProgress(deployment, status, replicaSet, [replicaSet], _now);
    }
}
