using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Probes;

namespace Trireme.Kubelet.Containers;

/// <summary>A running container that has to go, and why.</summary>
/// <param name="Container">Its spec.</param>
/// <param name="Running">The container at the runtime.</param>
/// <param name="Message">Text of the Killing event.</param>
/// <param name="Reason">What asks for it.</param>
public sealed record ContainerToKill(Container Container, RuntimeContainer Running, string Message, ContainerKillReason Reason);

/// <summary>What asks for the end of a container.</summary>
public enum ContainerKillReason
{
    SpecChanged,
    LivenessProbe,
    StartupProbe,
    Unknown,
}

/// <summary>What has to be done so that a pod's containers are as its spec says. Values in, values out.</summary>
/// <remarks>
/// Order of doing: kill the pod or the containers to kill, make the sandbox, start the init containers, start the containers.
/// Upstream: kuberuntime's computePodActions.
/// </remarks>
public sealed record PodActions
{
    /// <summary>Everything of the pod has to stop: its sandbox is no good, or all its containers are done.</summary>
    public bool KillPod { get; init; }

    public bool CreateSandbox { get; init; }

    /// <summary>Attempt of the sandbox to create.</summary>
    public uint Attempt { get; init; }

    public IReadOnlyList<ContainerToKill> ContainersToKill { get; init; } = [];

    /// <summary>Init containers to start now: at most one ordinary one, and sidecars.</summary>
    public IReadOnlyList<Container> InitContainersToStart { get; init; } = [];

    public IReadOnlyList<Container> ContainersToStart { get; init; } = [];

    public bool IsEmpty =>
        !KillPod && !CreateSandbox && ContainersToKill.Count == 0 && InitContainersToStart.Count == 0 && ContainersToStart.Count == 0;

    /// <param name="pod">The pod as it should be.</param>
    /// <param name="runtime">The pod as the runtime has it.</param>
    /// <param name="probes">Results of liveness and startup probes.</param>
    public static PodActions Compute(Pod pod, PodRuntimeStatus runtime, IProbeResults probes)
    {
        var (recreate, attempt) = SandboxChanged(pod, runtime);
        return recreate ? ForNewSandbox(pod, runtime, attempt) : ForSandbox(pod, runtime, probes);
    }

    /// <summary>Whether the pod's regular containers have begun: no init container has to run any more, sidecars excepted.</summary>
    public static bool HasInitialized(Pod pod, PodRuntimeStatus runtime) =>
        pod.Containers().Any(c => runtime.Active(c.Name!) is not null);

    private static (bool Recreate, uint Attempt) SandboxChanged(Pod pod, PodRuntimeStatus runtime)
    {
        if (runtime.Sandbox is not { } sandbox)
        {
            return (true, 0);
        }

        var next = (sandbox.Metadata?.Attempt ?? 0) + 1;
        var ready = runtime.Sandboxes.Count(s => s.State == Cri.V1.PodSandboxState.SandboxReady);
        if (ready > 1 || !runtime.SandboxReady)
        {
            return (true, next);
        }

        var hostNetwork = sandbox.Linux?.Namespaces?.Options?.Network == Cri.V1.NamespaceMode.Node;
        var lacksAddress = !hostNetwork && runtime.IPs.Count == 0;
        return (hostNetwork != (pod.Spec?.HostNetwork ?? false) || lacksAddress, next);
    }

    private static PodActions ForNewSandbox(Pod pod, PodRuntimeStatus runtime, uint attempt)
    {
        var exists = runtime.Sandboxes.Count > 0;
        var hadContainers = runtime.Containers.Count > 0;
        var toStart = pod.Containers().Where(c => RestartDecision.ShouldStart(pod, c, AsExited(runtime.Latest(c.Name!)))).ToList();
        if (pod.RestartPolicyOrDefault() == RestartPolicy.Never && exists && hadContainers && !toStart.Exists(c => runtime.Latest(c.Name!) is not null))
        {
            // Only a rule of a container's own brings back what had begun.
            return new PodActions { KillPod = true };
        }

        if (toStart.Count == 0)
        {
            return new PodActions { KillPod = exists };
        }

        var actions = new PodActions { KillPod = exists, CreateSandbox = true, Attempt = attempt };
        if (pod.InitContainers() is { Count: > 0 } initContainers)
        {
            // A new sandbox has lost what init containers prepared in it (network rules, shared memory): they run from the first one again.
            return actions with { InitContainersToStart = [initContainers[0]] };
        }

        return actions with { ContainersToStart = toStart };

        // What still runs in a sandbox that is given up is about to be killed: it counts as if it had failed.
        static RuntimeContainer? AsExited(RuntimeContainer? container)
        {
            if (container is not { IsRunning: true })
            {
                return container;
            }

            var status = container.Status.Clone();
            status.State = Cri.V1.ContainerState.ContainerExited;
            status.ExitCode = 137;
            return container with { Status = status };
        }
    }

    private static PodActions ForSandbox(Pod pod, PodRuntimeStatus runtime, IProbeResults probes)
    {
        var kill = new List<ContainerToKill>();
        var startInit = new List<Container>();
        var initialized = HasInitialized(pod, runtime);
        var step = InitStep(pod, runtime, probes, initialized, kill, startInit);
        if (step == InitOutcome.Failed)
        {
            return new PodActions { KillPod = true };
        }

        if (step == InitOutcome.InProgress)
        {
            return new PodActions { ContainersToKill = kill, InitContainersToStart = startInit };
        }

        var start = new List<Container>();
        var keep = 0;
        foreach (var container in pod.Containers())
        {
            var active = runtime.Active(container.Name!);
            if (active is not { IsRunning: true })
            {
                if (RestartDecision.ShouldStart(pod, container, runtime.Latest(container.Name!)))
                {
                    if (active?.Status.State == Cri.V1.ContainerState.ContainerUnknown)
                    {
                        kill.Add(new ContainerToKill(container, active, $"Container {container.Name} is in unknown state, try killing it before restart", ContainerKillReason.Unknown));
                    }

                    start.Add(container);
                }

                continue;
            }

            if (KillReason(container, active, probes) is not { } reason)
            {
                keep++;
                continue;
            }

            // A changed spec restarts whatever the policy says; a failed probe leaves a container dead that must not be restarted.
            var restart = reason == ContainerKillReason.SpecChanged || RestartDecision.RestartsAfter(pod, container, 137);
            kill.Add(new ContainerToKill(container, active, KillMessage(container, reason, restart), reason));
            if (restart)
            {
                start.Add(container);
            }
            else
            {
                keep++;
            }
        }

        if (keep == 0 && start.Count == 0)
        {
            return new PodActions { KillPod = true };
        }

        return new PodActions { ContainersToKill = kill, InitContainersToStart = startInit, ContainersToStart = start };
    }

    /// <summary>Walks the init containers in order up to the first that is not done.</summary>
    private static InitOutcome InitStep(
        Pod pod, PodRuntimeStatus runtime, IProbeResults probes, bool initialized, List<ContainerToKill> kill, List<Container> start)
    {
        foreach (var container in pod.InitContainers())
        {
            var active = runtime.Active(container.Name!);
            if (container.IsSidecar())
            {
                if (active is { IsRunning: true })
                {
                    if (KillReason(container, active, probes) is { } reason)
                    {
                        kill.Add(new ContainerToKill(container, active, KillMessage(container, reason, true), reason));
                        start.Add(container);
                    }
                    else if (initialized || probes.HasStarted(container, active))
                    {
                        continue;
                    }
                }
                else if (RestartDecision.ShouldStart(pod, container, active))
                {
                    start.Add(container);
                }

                if (!initialized)
                {
                    return InitOutcome.InProgress;
                }

                continue;
            }

            if (initialized || active is { HasExited: true, Status.ExitCode: 0 })
            {
                continue;
            }

            if (active is { IsRunning: true })
            {
                return InitOutcome.InProgress;
            }

            if (!RestartDecision.ShouldStart(pod, container, active))
            {
                return InitOutcome.Failed;
            }

            start.Add(container);
            return InitOutcome.InProgress;
        }

        return InitOutcome.Done;
    }

    private static ContainerKillReason? KillReason(Container container, RuntimeContainer active, IProbeResults probes)
    {
        if (active.Hash.Length > 0 && active.Hash != ContainerHash.Of(container))
        {
            return ContainerKillReason.SpecChanged;
        }

        if (probes.Get(ProbeType.Liveness, active.Id) == ProbeResult.Failure)
        {
            return ContainerKillReason.LivenessProbe;
        }

        return probes.Get(ProbeType.Startup, active.Id) == ProbeResult.Failure ? ContainerKillReason.StartupProbe : null;
    }

    private static string KillMessage(Container container, ContainerKillReason reason, bool restart)
    {
        var what = reason switch
        {
            ContainerKillReason.LivenessProbe => $"Container {container.Name} failed liveness probe",
            ContainerKillReason.StartupProbe => $"Container {container.Name} failed startup probe",
            _ => $"Container {container.Name} definition changed",
        };
        return restart ? $"{what}, will be restarted" : what;
    }

    private enum InitOutcome
    {
        InProgress,
        Done,
        Failed,
    }
}
