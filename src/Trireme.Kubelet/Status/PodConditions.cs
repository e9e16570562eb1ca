using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Status;

/// <summary>The conditions of a pod that its kubelet owns; all others are kept as they are.</summary>
public static class PodConditions
{
    private const string PodCompleted = "PodCompleted";

    private static readonly string[] _owned =
    [
        PodConditionType.PodReadyToStartContainers, PodConditionType.Initialized, PodConditionType.Ready, PodConditionType.ContainersReady,
        PodConditionType.PodScheduled,
    ];

    /// <summary>Whether the kubelet is the one who sets a condition.</summary>
    public static bool IsOwned(string? type) => _owned.Contains(type);

    public static List<PodCondition> Of(Pod pod, PodStatus status, PodStatusInput input)
    {
        var containers = ContainersReady(pod, status);
        var conditions = new List<PodCondition>
        {
            ReadyToStart(pod, input),
            Initialized(pod, status),
            Ready(pod, status, containers, input.Old),
            containers,
            new() { Type = PodConditionType.PodScheduled, Status = ConditionStatus.True },
        };
        foreach (var condition in conditions)
        {
            condition.ObservedGeneration = pod.Metadata.Generation;
            var old = input.Old?.Conditions?.FirstOrDefault(c => c.Type == condition.Type);
            condition.LastTransitionTime = old?.Status == condition.Status ? old?.LastTransitionTime ?? input.Now : input.Now;
        }

        conditions.AddRange((input.Old?.Conditions ?? []).Where(c => !IsOwned(c.Type)));
        return conditions;
    }

    private static PodCondition ReadyToStart(Pod pod, PodStatusInput input)
    {
        var ready = input.Runtime.SandboxReady && (pod.Spec?.HostNetwork == true || input.Runtime.IPs.Count > 0);
        return new PodCondition { Type = PodConditionType.PodReadyToStartContainers, Status = Text(ready) };
    }

    private static PodCondition Initialized(Pod pod, PodStatus status)
    {
        var incomplete = pod.InitContainers().Where(c => !IsDone(c)).Select(c => c.Name!).ToList();
        var begun = PodPhases.HasBegun(status);
        if (incomplete.Count == 0 || begun || status.Phase == PodPhase.Succeeded)
        {
            return new PodCondition
            {
                Type = PodConditionType.Initialized,
                Status = ConditionStatus.True,
                Reason = status.Phase == PodPhase.Succeeded ? PodCompleted : null,
            };
        }

        return new PodCondition
        {
            Type = PodConditionType.Initialized,
            Status = ConditionStatus.False,
            Reason = "ContainersNotInitialized",
            Message = $"containers with incomplete status: [{string.Join(' ', incomplete)}]",
        };

        bool IsDone(Container container)
        {
            var init = status.InitContainerStatuses?.FirstOrDefault(s => s.Name == container.Name);
            return container.IsSidecar() ? init?.Started == true : init?.State?.Terminated is { ExitCode: 0 };
        }
    }

    private static PodCondition ContainersReady(Pod pod, PodStatus status)
    {
        var condition = new PodCondition { Type = PodConditionType.ContainersReady, Status = ConditionStatus.False };
        if (status.Phase is PodPhase.Succeeded)
        {
            condition.Reason = PodCompleted;
            return condition;
        }

        if (status.Phase is PodPhase.Failed)
        {
            condition.Reason = "PodFailed";
            return condition;
        }

        var unready = pod.InitContainers().Where(c => c.IsSidecar()).Where(c => !IsReady(status.InitContainerStatuses, c))
            .Concat(pod.Containers().Where(c => !IsReady(status.ContainerStatuses, c))).Select(c => c.Name!).ToList();
        if (unready.Count == 0)
        {
            condition.Status = ConditionStatus.True;
            return condition;
        }

        condition.Reason = "ContainersNotReady";
        condition.Message = $"containers with unready status: [{string.Join(' ', unready)}]";
        return condition;
    }

    private static PodCondition Ready(Pod pod, PodStatus status, PodCondition containers, PodStatus? old)
    {
        if (containers.Status != ConditionStatus.True)
        {
            return new PodCondition
            {
                Type = PodConditionType.Ready,
                Status = ConditionStatus.False,
                Reason = containers.Reason,
                Message = containers.Message,
            };
        }

        var missing = (pod.Spec?.ReadinessGates ?? []).Select(g => g.ConditionType)
            .Where(gate => old?.Conditions?.FirstOrDefault(c => c.Type == gate)?.Status != ConditionStatus.True).ToList();
        return missing.Count == 0
            ? new PodCondition { Type = PodConditionType.Ready, Status = ConditionStatus.True }
            : new PodCondition
            {
                Type = PodConditionType.Ready,
                Status = ConditionStatus.False,
                Reason = "ReadinessGatesNotReady",
                Message = string.Join(", ", missing.Select(m => $"the status of pod readiness gate \"{m}\" is not \"True\", but False")),
            };
    }

    private static bool IsReady(List<ContainerStatus>? statuses, Container container) =>
        statuses?.FirstOrDefault(s => s.Name == container.Name)?.Ready == true;

    private static string Text(bool value) => value ? ConditionStatus.True : ConditionStatus.False;
}
