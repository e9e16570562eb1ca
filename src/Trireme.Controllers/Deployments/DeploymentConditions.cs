using Trireme.Api.Models.Apps.V1;

namespace Trireme.Controllers.Deployments;

/// <summary>The status of a Deployment: counts, and the conditions by which users and tools judge a rollout.</summary>
internal static class DeploymentConditions
{
    public const string NewReplicaSetAvailable = "NewReplicaSetAvailable";
    public const string TimedOut = "ProgressDeadlineExceeded";
    public const string Paused = "DeploymentPaused";
    public const string Resumed = "DeploymentResumed";

    public static DeploymentCondition? Find(DeploymentStatus? status, string type) => status?.Conditions?.Find(c => c.Type == type);

    /// <summary>Sets a condition; one of the same status and reason stays as it is, its times too.</summary>
    public static void Set(DeploymentStatus status, string type, string value, string reason, string message, DateTimeOffset now)
    {
        var current = Find(status, type);
        if (current?.Status == value && current.Reason == reason)
        {
            return;
        }

        Replace(status, type, value, reason, message, now);
    }

    /// <summary>As <see cref="Set"/>, but refreshes the time of update in any case: progress was made.</summary>
    public static void Replace(DeploymentStatus status, string type, string value, string reason, string message, DateTimeOffset now)
    {
        var current = Find(status, type);
        Remove(status, type);
        status.Conditions!.Add(new DeploymentCondition
        {
            Type = type,
            Status = value,
            Reason = reason,
            Message = message,
            LastUpdateTime = now,
            LastTransitionTime = current?.Status == value ? current.LastTransitionTime : now,
        });
    }

    public static void Remove(DeploymentStatus status, string type) => status.Conditions = [.. (status.Conditions ?? []).Where(c => c.Type != type)];

    /// <summary>Counts, availability and replica failures as the ReplicaSets report them.</summary>
    public static DeploymentStatus Measure(Deployment deployment, IReadOnlyList<ReplicaSet> all, ReplicaSet? newReplicaSet, DateTimeOffset now)
    {
        var available = all.Sum(r => r.Status?.AvailableReplicas ?? 0);
        var status = new DeploymentStatus
        {
            ObservedGeneration = deployment.Metadata.Generation,
            Replicas = all.Sum(r => r.Status?.Replicas ?? 0),
            UpdatedReplicas = newReplicaSet?.Status?.Replicas ?? 0,
            ReadyReplicas = all.Sum(r => r.Status?.ReadyReplicas ?? 0),
            AvailableReplicas = available,
            UnavailableReplicas = Math.Max(0, all.Sum(r => r.Replicas()) - available),
            CollisionCount = deployment.Status?.CollisionCount,
            Conditions = [.. deployment.Status?.Conditions ?? []],
        };
        if (available >= deployment.Replicas() - deployment.MaxUnavailable())
        {
            Set(status, DeploymentConditionType.Available, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now);
        }
        else
        {
            Set(status, DeploymentConditionType.Available, "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now);
        }

        return status;
    }

    /// <summary>Judges the progress of a rollout.</summary>
    /// <returns>When to look again, because the deadline may have passed by then.</returns>
    public static TimeSpan? JudgeProgress(Deployment deployment, DeploymentStatus status, ReplicaSet? newReplicaSet, IReadOnlyList<ReplicaSet> all, DateTimeOffset now)
    {
        var deadline = Deadline(deployment);
        var current = Find(deployment.Status, DeploymentConditionType.Progressing);
        if (deadline is null)
        {
            Remove(status, DeploymentConditionType.Progressing);
        }
        else if (!(status.Replicas == status.UpdatedReplicas && current?.Reason == NewReplicaSetAvailable))
        {
            var what = newReplicaSet is null ? $"Deployment \"{deployment.Metadata.Name}\"" : $"ReplicaSet \"{newReplicaSet.Metadata.Name}\"";
            if (IsComplete(deployment, status))
            {
                Set(status, DeploymentConditionType.Progressing, "True", NewReplicaSetAvailable, $"{what} has successfully progressed.", now);
            }
            else if (HasProgressed(deployment.Status, status))
            {
                Replace(status, DeploymentConditionType.Progressing, "True", "ReplicaSetUpdated", $"{what} is progressing.", now);
            }
            else if (current is not null && current.Reason != NewReplicaSetAvailable
                && (current.Reason == TimedOut || now >= (current.LastUpdateTime ?? now) + deadline.Value))
            {
                Set(status, DeploymentConditionType.Progressing, "False", TimedOut, $"{what} has timed out progressing.", now);
            }
        }

        JudgeReplicaFailure(status, newReplicaSet, all, now);
        if (deadline is null || Find(status, DeploymentConditionType.Progressing) is not { } progressing
            || progressing.Reason is TimedOut or NewReplicaSetAvailable || IsComplete(deployment, status))
        {
            // A rollout that has succeeded cannot time out any more, however few of its pods are well.
            return null;
        }

        var left = (progressing.LastUpdateTime ?? now) + deadline.Value - now;
        return left > TimeSpan.Zero ? left + TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(1);
    }

    /// <summary>All replicas are of the new template and available, and nothing else is left.</summary>
    public static bool IsComplete(Deployment deployment, DeploymentStatus status) =>
        status.UpdatedReplicas == deployment.Replicas()
        && status.Replicas == deployment.Replicas()
        && status.AvailableReplicas == deployment.Replicas()
        && status.ObservedGeneration >= deployment.Metadata.Generation;

    /// <summary>How long a rollout may stand still; null when nobody minds.</summary>
    public static TimeSpan? Deadline(Deployment deployment) =>
        deployment.Spec?.ProgressDeadlineSeconds is { } seconds and not int.MaxValue ? TimeSpan.FromSeconds(seconds) : null;

    private static bool HasProgressed(DeploymentStatus? before, DeploymentStatus after)
    {
        var old = before ?? new DeploymentStatus();
        return after.UpdatedReplicas > old.UpdatedReplicas
            || after.Replicas - after.UpdatedReplicas < old.Replicas - old.UpdatedReplicas
            || after.ReadyReplicas > old.ReadyReplicas
            || after.AvailableReplicas > old.AvailableReplicas;
    }

    private static void JudgeReplicaFailure(DeploymentStatus status, ReplicaSet? newReplicaSet, IReadOnlyList<ReplicaSet> all, DateTimeOffset now)
    {
        var failure = new[] { newReplicaSet }.Concat(all)
            .Select(r => r?.Status?.Conditions?.Find(c => c is { Type: ReplicaSetConditionType.ReplicaFailure, Status: "True" }))
            .FirstOrDefault(c => c is not null);
        if (failure is null)
        {
            Remove(status, DeploymentConditionType.ReplicaFailure);
        }
        else
        {
            Set(status, DeploymentConditionType.ReplicaFailure, "True", failure.Reason ?? "", failure.Message ?? "", now);
        }
    }
}
