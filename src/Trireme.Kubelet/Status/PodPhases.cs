using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.Status;

/// <summary>The phase that follows from the states of a pod's containers.</summary>
public static class PodPhases
{
    /// <param name="pod">Restart policies and rules, its own and its containers', decide between Running and ended.</param>
    /// <param name="status">Container statuses, computed already.</param>
    public static string Of(Pod pod, PodStatus status)
    {
        var begun = HasBegun(status);
        foreach (var container in pod.InitContainers())
        {
            var init = status.InitContainerStatuses?.FirstOrDefault(s => s.Name == container.Name);
            if (container.IsSidecar())
            {
                if (!begun && init?.Started != true)
                {
                    return PodPhase.Pending;
                }

                continue;
            }

            if (init?.State?.Terminated is { ExitCode: not 0 } failed && !RestartDecision.RestartsAfter(pod, container, failed.ExitCode))
            {
                return PodPhase.Failed;
            }

            if (!begun && init?.State?.Terminated is not { ExitCode: 0 })
            {
                return PodPhase.Pending;
            }
        }

        int waiting = 0, running = 0, stopped = 0, succeeded = 0, restarting = 0;
        foreach (var container in pod.Containers())
        {
            var state = status.ContainerStatuses?.FirstOrDefault(s => s.Name == container.Name);
            if (state?.State?.Running is not null)
            {
                running++;
            }
            else if (state?.State?.Terminated is { } ended)
            {
                stopped++;
                succeeded += ended.ExitCode == 0 ? 1 : 0;
                restarting += RestartDecision.RestartsAfter(pod, container, ended.ExitCode) ? 1 : 0;
            }
            else if (state?.LastState?.Terminated is { } last)
            {
                stopped++;
                restarting += RestartDecision.RestartsAfter(pod, container, last.ExitCode) ? 1 : 0;
            }
            else
            {
                waiting++;
            }
        }

        return (waiting, running, stopped) switch
        {
            ( > 0, _, _) => PodPhase.Pending,
            (_, > 0, _) => PodPhase.Running,
            (_, _, > 0) when restarting > 0 && pod.Metadata.DeletionTimestamp is null => PodPhase.Running,
            (_, _, > 0) => stopped == succeeded ? PodPhase.Succeeded : PodPhase.Failed,
            _ => PodPhase.Pending,
        };
    }

    /// <summary>Whether one of the regular containers runs or has run: init containers are over then.</summary>
    public static bool HasBegun(PodStatus status) =>
        (status.ContainerStatuses ?? []).Any(s => s.State is { Running: not null } or { Terminated: not null } || s.LastState?.Terminated is not null);
}
