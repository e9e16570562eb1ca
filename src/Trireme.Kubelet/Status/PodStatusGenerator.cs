using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Probes;

namespace Trireme.Kubelet.Status;

/// <summary>What a pod's status is computed from, besides its spec.</summary>
/// <param name="Runtime">The pod at the runtime.</param>
/// <param name="Old">The status before; transition times and what only it remembers go on from it.</param>
/// <param name="Waiting">Containers that could not be started, by name.</param>
/// <param name="Probes">Results of probes.</param>
/// <param name="HostIPs">Addresses of the node.</param>
/// <param name="Messages">Termination message of an exited container.</param>
/// <param name="Now">Time of transitions.</param>
public sealed record PodStatusInput(
    PodRuntimeStatus Runtime,
    PodStatus? Old,
    IReadOnlyDictionary<string, WaitingReason> Waiting,
    IProbeResults Probes,
    IReadOnlyList<string> HostIPs,
    Func<RuntimeContainer, string?> Messages,
    DateTimeOffset Now)
{
    /// <summary>Failed, with reason and message, whatever the containers say (eviction, deadline); null otherwise.</summary>
    public WaitingReason? Failure { get; init; }

    /// <summary>Whether containers may still run or be started; a terminal phase is shown only when not.</summary>
    public bool CouldHaveRunningContainers { get; init; } = true;
}

/// <summary>Computes the status of a pod as upstream's kubelet does. Values in, values out.</summary>
public static class PodStatusGenerator
{
    private const string ContainerUnknownMessage = "The container could not be located when the pod was terminated";

    public static PodStatus Generate(Pod pod, PodStatusInput input)
    {
        var status = new PodStatus
        {
            ObservedGeneration = pod.Metadata.Generation,
            QosClass = input.Old?.QosClass ?? PodQos.ClassOf(pod),
            StartTime = input.Old?.StartTime ?? input.Now,
            NominatedNodeName = input.Old?.NominatedNodeName,
            InitContainerStatuses = NullIfEmpty(pod.InitContainers().Select(c => ContainerStatusOf(pod, c, isInit: true, input))),
            ContainerStatuses = NullIfEmpty(pod.Containers().Select(c => ContainerStatusOf(pod, c, isInit: false, input))),
        };
        SetAddresses(status, pod, input);
        var phase = PodPhases.Of(pod, status);
        if (input.Failure is { } failure)
        {
            (phase, status.Reason, status.Message) = (PodPhase.Failed, failure.Reason, failure.Message);
        }
        else if (input.Old is { Phase: PodPhase.Failed or PodPhase.Succeeded } decided)
        {
            // A pod that has ended never comes back: its containers may be gone by now.
            (phase, status.Reason, status.Message) = (decided.Phase, decided.Reason, decided.Message);
        }

        if (phase is PodPhase.Failed or PodPhase.Succeeded
            && input.Old?.Phase is not (PodPhase.Failed or PodPhase.Succeeded)
            && input.CouldHaveRunningContainers && input.Runtime.HasRunningContainers)
        {
            // Controllers replace a pod that has ended: that must not be shown while a container of it still runs.
            phase = input.Old?.Phase ?? PodPhase.Running;
            (status.Reason, status.Message) = (null, null);
        }

        status.Phase = phase;
        status.Conditions = PodConditions.Of(pod, status, input);
        return status;
    }

    private static List<ContainerStatus>? NullIfEmpty(IEnumerable<ContainerStatus> statuses) => statuses.ToList() is { Count: > 0 } list ? list : null;

    private static void SetAddresses(PodStatus status, Pod pod, PodStatusInput input)
    {
        if (input.HostIPs.Count > 0)
        {
            status.HostIP = input.HostIPs[0];
            status.HostIPs = [.. input.HostIPs.Select(ip => new HostIP { Ip = ip })];
        }

        // With the machine's network the address is known before there is a sandbox, and the first container may already ask for it.
        var ips = pod.Spec?.HostNetwork == true ? input.HostIPs : input.Runtime.IPs;
        if (ips.Count > 0)
        {
            status.PodIP = ips[0];
            status.PodIPs = [.. ips.Select(ip => new PodIP { Ip = ip })];
        }
        else if (input.Old?.PodIP is { } old)
        {
            // A pod that has ended keeps showing where it was.
            (status.PodIP, status.PodIPs) = (old, input.Old.PodIPs);
        }
    }

    private static ContainerStatus ContainerStatusOf(Pod pod, Container container, bool isInit, PodStatusInput input)
    {
        var old = (isInit ? input.Old?.InitContainerStatuses : input.Old?.ContainerStatuses)?.FirstOrDefault(s => s.Name == container.Name);
        var latest = input.Runtime.Latest(container.Name!);
        var status = latest is null ? WithoutContainer(pod, container, isInit, old, input) : FromContainer(container, latest, isInit, old, input);
        if (input.Waiting.TryGetValue(container.Name!, out var reason) && status.State?.Running is null)
        {
            status.LastState = status.State?.Terminated is { } ended ? new ContainerState { Terminated = ended } : status.LastState;
            status.State = new ContainerState { Waiting = new ContainerStateWaiting { Reason = reason.Reason, Message = Text(reason.Message) } };
        }

        if (status.State?.Running is not null)
        {
            return status;
        }

        status.Ready = isInit && !container.IsSidecar() && status.State?.Terminated is { ExitCode: 0 };
        status.Started = false;
        return status;
    }

    /// <summary>No container of this name is at the runtime: it was not made yet, or it was lost.</summary>
    private static ContainerStatus WithoutContainer(Pod pod, Container container, bool isInit, ContainerStatus? old, PodStatusInput input)
    {
        var status = new ContainerStatus
        {
            Name = container.Name,
            Image = container.Image ?? "",
            ImageID = "",
            RestartCount = old?.RestartCount ?? 0,
            State = new ContainerState
            {
                Waiting = new ContainerStateWaiting
                {
                    Reason = pod.InitContainers().Count > 0 ? "PodInitializing" : "ContainerCreating",
                },
            },
        };
        if (old?.State?.Terminated is { } ended)
        {
            // Its container was cleaned up; what is known of its end stays.
            (status.State, status.LastState) = (new ContainerState { Terminated = ended }, old.LastState);
            (status.ContainerID, status.ImageID) = (old.ContainerID, old.ImageID);
            var restarts = !isInit && pod.Metadata.DeletionTimestamp is null && RestartDecision.RestartsAfter(pod, container, ended.ExitCode);
            if (restarts && input.CouldHaveRunningContainers)
            {
                status.State = new ContainerState { Waiting = new ContainerStateWaiting { Reason = "ContainerCreating" } };
                status.LastState = new ContainerState { Terminated = ended };
            }
        }
        else if (old?.State?.Running is not null)
        {
            var lost = new ContainerStateTerminated { ExitCode = 137, Reason = "ContainerStatusUnknown", Message = ContainerUnknownMessage };
            status.LastState = new ContainerState { Terminated = lost };
            if (!input.CouldHaveRunningContainers || pod.Metadata.DeletionTimestamp is not null)
            {
                status.State = new ContainerState { Terminated = lost };
            }
        }
        else if (old?.LastState is { } before)
        {
            status.LastState = before;
        }

        return status;
    }

    private static ContainerStatus FromContainer(Container container, RuntimeContainer latest, bool isInit, ContainerStatus? old, PodStatusInput input)
    {
        var status = new ContainerStatus
        {
            Name = container.Name,
            ContainerID = $"containerd://{latest.Id}",
            Image = latest.Status.Image?.UserSpecifiedImage is { Length: > 0 } asked ? asked
                : latest.Status.Image?.Image is { Length: > 0 } image && !image.StartsWith("sha256:", StringComparison.Ordinal) ? image
                : container.Image ?? "",
            ImageID = latest.Status.ImageRef,
            RestartCount = latest.RestartCount,
            State = StateOf(latest, input),
        };
        if (input.Runtime.Previous(latest) is { } previous)
        {
            status.LastState = new ContainerState { Terminated = TerminatedOf(previous, input) };
        }
        else if (old is not null && old.ContainerID == status.ContainerID)
        {
            status.LastState = old.LastState;
        }
        else if (old?.State?.Terminated is { } replaced)
        {
            status.LastState = new ContainerState { Terminated = replaced };
        }

        if (latest.IsRunning)
        {
            status.Started = input.Probes.HasStarted(container, latest);
            status.Ready = (!isInit || container.IsSidecar()) && input.Probes.IsReady(container, latest);
        }

        return status;
    }

    private static ContainerState StateOf(RuntimeContainer container, PodStatusInput input) => container.Status.State switch
    {
        Cri.V1.ContainerState.ContainerRunning => new ContainerState { Running = new ContainerStateRunning { StartedAt = container.StartedAt } },
        Cri.V1.ContainerState.ContainerExited => new ContainerState { Terminated = TerminatedOf(container, input) },
        _ => new ContainerState { Waiting = new ContainerStateWaiting { Reason = "ContainerCreating" } },
    };

    private static ContainerStateTerminated TerminatedOf(RuntimeContainer container, PodStatusInput input) => new()
    {
        ExitCode = container.Status.ExitCode,
        Reason = container.Status.Reason is { Length: > 0 } reason ? reason : container.Status.ExitCode == 0 ? "Completed" : "Error",
        Message = Text(input.Messages(container) is { Length: > 0 } message ? message : container.Status.Message),
        StartedAt = container.Status.StartedAt > 0 ? container.StartedAt : null,
        FinishedAt = container.Status.FinishedAt > 0 ? container.FinishedAt : null,
        ContainerID = $"containerd://{container.Id}",
    };

    private static string? Text(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
