using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Kubelet.Cgroups;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Images;
using Trireme.Kubelet.Probes;

namespace Trireme.Kubelet.Containers;

/// <summary>Why a container is not running though it should: shown as its waiting state.</summary>
/// <param name="Reason">For example <c>CrashLoopBackOff</c>.</param>
/// <param name="Message">For people.</param>
public readonly record struct WaitingReason(string Reason, string Message);

/// <summary>What a sync of a pod's containers did.</summary>
/// <param name="Waiting">Containers that could not be started, by name.</param>
/// <param name="Started">Names of containers that were started.</param>
/// <param name="RetryAfter">When something that was put off is due; null when nothing was.</param>
/// <param name="SandboxError">Why there is no sandbox; null when there is one.</param>
public sealed record PodSyncResult(
    IReadOnlyDictionary<string, WaitingReason> Waiting, IReadOnlyList<string> Started, TimeSpan? RetryAfter, string? SandboxError);

/// <summary>Makes the runtime have what a pod wants: does what <see cref="PodActions"/> decided. Upstream: kuberuntime.</summary>
/// <remarks>
/// Called for one pod by that pod's worker only, for different pods at the same time. It keeps no state but back-off: everything else is read
/// from the runtime at each sync, so that a death between any two calls is repaired by the next sync.
/// </remarks>
public sealed class PodRuntime(
    ICri cri,
    RuntimeConfigFactory configs,
    ImageManager images,
    LifecycleHooks hooks,
    IProbeResults probes,
    ICgroupManager cgroups,
    IEventRecorder events,
    IRuntimeClasses runtimeClasses,
    TimeProvider time,
    ILogger<PodRuntime> logger)
{
    /// <summary>A hook that used up the grace leaves the container this long for its SIGTERM.</summary>
    private static readonly TimeSpan _minimumGrace = TimeSpan.FromSeconds(2);

    /// <summary>What a container waits for mostly comes without the kubelet being told.</summary>
    private static readonly TimeSpan _retryPeriod = TimeSpan.FromSeconds(10);

    private readonly CrashLoopBackOff _backOff = new(time);

    /// <param name="pod">The pod as it should be, addresses in its status when it has any.</param>
    /// <param name="runtime">The pod as the runtime has it.</param>
    /// <param name="volumes">Where its volumes lie.</param>
    /// <param name="cancellationToken">Cancelled when the pod shall terminate: a pull or a hook is given up then.</param>
    public async Task<PodSyncResult> SyncPodAsync(
        Pod pod, PodRuntimeStatus runtime, IReadOnlyDictionary<string, string> volumes, CancellationToken cancellationToken)
    {
        var actions = PodActions.Compute(pod, runtime, probes);
        var waiting = new Dictionary<string, WaitingReason>(StringComparer.Ordinal);
        var started = new List<string>();

        // 1. Stop what has to go.
        if (actions.KillPod)
        {
            await KillPodAsync(pod, runtime, pod.TerminationGracePeriod(), cancellationToken);
            if (!actions.CreateSandbox)
            {
                return new PodSyncResult(waiting, started, null, null);
            }
        }
        else
        {
            await Task.WhenAll(actions.ContainersToKill.Select(kill =>
                KillContainerAsync(pod, kill.Container, kill.Running, kill.Message, GraceOf(pod, kill), cancellationToken)));
        }

        // 2. A sandbox to live in.
        var attempt = actions.CreateSandbox ? actions.Attempt : runtime.Sandbox?.Metadata?.Attempt ?? 0;
        var sandboxConfig = configs.Sandbox(pod, attempt);
        var sandboxId = runtime.Sandbox?.Id ?? "";
        var ips = runtime.IPs;
        if (actions.CreateSandbox)
        {
            try
            {
                (sandboxId, ips) = await CreateSandboxAsync(pod, sandboxConfig, cancellationToken);
            }
            catch (Exception e) when (e is CriException or IOException or ApiException or ApiUnavailableException)
            {
                events.Event(pod, "Warning", "FailedCreatePodSandBox", $"Failed to create pod sandbox: {e.Message}");
                return new PodSyncResult(waiting, started, null, e.Message);
            }
        }

        // 3. Containers, one after the other as the pod lists them: a postStart hook may hold back the next.
        TimeSpan? retry = null;
        var placed = WithAddresses(pod, ips);
        foreach (var container in actions.InitContainersToStart.Concat(actions.ContainersToStart))
        {
            var outcome = await StartAsync(placed, container, runtime, sandboxId, sandboxConfig, volumes, cancellationToken);
            if (outcome.Waiting is { } reason)
            {
                waiting[container.Name!] = reason;
                retry = Earlier(retry, outcome.RetryAfter);
            }
            else
            {
                started.Add(container.Name!);
            }
        }

        return new PodSyncResult(waiting, started, retry, null);
    }

    /// <summary>
    /// Stops all containers, sidecars after the others and in reverse order, then the sandbox. Returns when nothing of the pod runs any more.
    /// </summary>
    /// <param name="pod">The pod; one that only the runtime knows has a name and uid and no spec.</param>
    /// <param name="runtime">The pod at the runtime.</param>
    /// <param name="grace">Time for all of it together.</param>
    /// <param name="cancellationToken">Cancelled when the grace was shortened: call again with the new one.</param>
    public async Task KillPodAsync(Pod pod, PodRuntimeStatus runtime, TimeSpan grace, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var sidecars = pod.InitContainers().Where(c => c.IsSidecar()).Select(c => c.Name!).ToList();
        var running = runtime.Containers.Where(c => c.IsRunning || c.Status.State == Cri.V1.ContainerState.ContainerUnknown).ToList();
        await Task.WhenAll(running.Where(c => !sidecars.Contains(c.Name)).Select(c =>
            KillContainerAsync(pod, SpecOf(pod, c), c, $"Stopping container {c.Name}", grace, cancellationToken)));
        foreach (var sidecar in running.Where(c => sidecars.Contains(c.Name)).OrderByDescending(c => sidecars.IndexOf(c.Name)))
        {
            var left = grace - time.GetElapsedTime(began);
            await KillContainerAsync(
                pod, SpecOf(pod, sidecar), sidecar, $"Stopping container {sidecar.Name}", left > _minimumGrace ? left : _minimumGrace, cancellationToken);
        }

        foreach (var sandbox in runtime.Sandboxes)
        {
            await cri.StopPodSandboxAsync(sandbox.Id, cancellationToken);
        }
    }

    /// <summary>Forgets the back-off of a pod that is gone.</summary>
    public void Forget(string podUid)
    {
        _backOff.ForgetPrefix(podUid + "/");
        images.Forget(podUid);
    }

    private static Container? SpecOf(Pod pod, RuntimeContainer running) => pod.AllContainers().FirstOrDefault(c => c.Name == running.Name);

    private static TimeSpan GraceOf(Pod pod, ContainerToKill kill)
    {
        var own = kill.Reason switch
        {
            ContainerKillReason.LivenessProbe => kill.Container.LivenessProbe?.TerminationGracePeriodSeconds,
            ContainerKillReason.StartupProbe => kill.Container.StartupProbe?.TerminationGracePeriodSeconds,
            _ => null,
        };
        return own is { } seconds ? TimeSpan.FromSeconds(seconds) : pod.TerminationGracePeriod();
    }

    private static TimeSpan? Earlier(TimeSpan? a, TimeSpan? b) => a is null ? b : b is null ? a : a < b ? a : b;

    private static Pod WithAddresses(Pod pod, IReadOnlyList<string> ips)
    {
        if (ips.Count == 0)
        {
            return pod;
        }

        // A shallow copy: only the addresses differ, and nobody changes the rest.
        var status = pod.Status;
        return new Pod
        {
            Metadata = pod.Metadata,
            Spec = pod.Spec,
            Status = new PodStatus
            {
                HostIP = status?.HostIP,
                HostIPs = status?.HostIPs,
                PodIP = ips[0],
                PodIPs = [.. ips.Select(ip => new PodIP { Ip = ip })],
            },
        };
    }

    private async Task<(string Id, IReadOnlyList<string> IPs)> CreateSandboxAsync(
        Pod pod, Cri.V1.PodSandboxConfig config, CancellationToken cancellationToken)
    {
        cgroups.EnsurePod(pod);
        Directory.CreateDirectory(config.LogDirectory);
        var handler = await runtimeClasses.HandlerOfAsync(pod, cancellationToken);
        var id = await cri.RunPodSandboxAsync(config, handler, cancellationToken);
        logger.LogInformation("Pod {Pod} has sandbox {Sandbox}", pod.Describe(), id);
        var status = await cri.PodSandboxStatusAsync(id, cancellationToken);
        return (id, status is null ? [] : new PodRuntimeStatus(pod.Uid(), [status], []).IPs);
    }

    private async Task<(WaitingReason? Waiting, TimeSpan? RetryAfter)> StartAsync(
        Pod pod,
        Container container,
        PodRuntimeStatus runtime,
        string sandboxId,
        Cri.V1.PodSandboxConfig sandboxConfig,
        IReadOnlyDictionary<string, string> volumes,
        CancellationToken cancellationToken)
    {
        var latest = runtime.Latest(container.Name!);
        var key = $"{pod.Uid()}/{container.Name}/{ContainerHash.Of(container)}";
        var path = $"spec.containers{{{container.Name}}}";
        if (latest is { HasExited: true })
        {
            if (_backOff.Remaining(key, latest.FinishedAt) is var remaining && remaining > TimeSpan.Zero)
            {
                var message = $"back-off {Seconds(_backOff.Current(key))} restarting failed container={container.Name} pod={pod.Name()}_{pod.Namespace()}({pod.Uid()})";
                events.Event(pod, "Warning", "BackOff", $"Back-off restarting failed container {container.Name} in pod {pod.Name()}_{pod.Namespace()}({pod.Uid()})", path);
                return (new WaitingReason("CrashLoopBackOff", message), remaining);
            }

            _backOff.Next(key, latest.FinishedAt);
        }

        var image = await images.EnsureAsync(pod, container, sandboxConfig, cancellationToken);
        if (image.Image is null)
        {
            return (new WaitingReason(image.Reason, image.Message), _retryPeriod);
        }

        var waiting = await CreateAndStartAsync(pod, container, latest, image.Image, sandboxId, sandboxConfig, volumes, path, cancellationToken);
        return (waiting, waiting is null ? null : _retryPeriod);
    }

    private async Task<WaitingReason?> CreateAndStartAsync(
        Pod pod,
        Container container,
        RuntimeContainer? latest,
        Cri.V1.Image image,
        string sandboxId,
        Cri.V1.PodSandboxConfig sandboxConfig,
        IReadOnlyDictionary<string, string> volumes,
        string path,
        CancellationToken cancellationToken)
    {
        var attempt = latest is not null ? latest.RestartCount + 1 : AttemptFromLogs(sandboxConfig.LogDirectory, container.Name!);
        Cri.V1.ContainerConfig config;
        try
        {
            config = await configs.ContainerAsync(pod, container, image, attempt, volumes, cancellationToken);
            Directory.CreateDirectory(Path.Combine(sandboxConfig.LogDirectory, container.Name!));
        }
        catch (Exception e) when (e is ContainerConfigException or ApiException or ApiUnavailableException or IOException)
        {
            events.Event(pod, "Warning", "Failed", $"Error: {e.Message}", path);
            return new WaitingReason("CreateContainerConfigError", e.Message);
        }

        string id;
        try
        {
            id = await cri.CreateContainerAsync(sandboxId, config, sandboxConfig, cancellationToken);
        }
        catch (CriException e)
        {
            events.Event(pod, "Warning", "Failed", $"Error: {e.Message}", path);
            return new WaitingReason("CreateContainerError", e.Message);
        }

        events.Event(pod, "Normal", "Created", $"Created container: {container.Name}", path);
        try
        {
            await cri.StartContainerAsync(id, cancellationToken);
        }
        catch (CriException e)
        {
            events.Event(pod, "Warning", "Failed", $"Error: {e.Message}", path);
            return new WaitingReason("RunContainerError", e.Message);
        }

        events.Event(pod, "Normal", "Started", $"Started container {container.Name}", path);
        logger.LogInformation("Container {Container} of pod {Pod} runs as {Id}, attempt {Attempt}", container.Name, pod.Describe(), id, attempt);
        return await PostStartAsync(pod, container, id, path, cancellationToken);
    }

    private async Task<WaitingReason?> PostStartAsync(Pod pod, Container container, string id, string path, CancellationToken cancellationToken)
    {
        if (container.Lifecycle?.PostStart is not { } hook)
        {
            return null;
        }

        var failure = await hooks.RunAsync(hook, container, id, pod.Status?.PodIP ?? "", cancellationToken);
        if (failure is null)
        {
            return null;
        }

        events.Event(pod, "Warning", "FailedPostStartHook", $"PostStartHook failed: {failure}", path);
        if (await cri.ContainerStatusAsync(id, cancellationToken) is { } status)
        {
            await KillContainerAsync(
                pod, container, new RuntimeContainer("", status), "FailedPostStartHook", pod.TerminationGracePeriod(), cancellationToken);
        }

        return new WaitingReason("PostStartHookError", failure);
    }

    private async Task KillContainerAsync(
        Pod pod, Container? spec, RuntimeContainer running, string message, TimeSpan grace, CancellationToken cancellationToken)
    {
        events.Event(pod, "Normal", "Killing", message, $"spec.containers{{{running.Name}}}");
        var left = grace;
        if (spec?.Lifecycle?.PreStop is { } hook && running.IsRunning && grace > TimeSpan.Zero)
        {
            var began = time.GetTimestamp();
            using var deadline = new CancellationTokenSource(grace, time);
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            try
            {
                if (await hooks.RunAsync(hook, spec, running.Id, pod.Status?.PodIP ?? "", limited.Token) is { } failure)
                {
                    events.Event(pod, "Warning", "FailedPreStopHook", $"PreStopHook failed: {failure}", $"spec.containers{{{running.Name}}}");
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                logger.LogInformation("PreStop hook of container {Container} in pod {Pod} did not end in its grace period", running.Name, pod.Describe());
            }

            left = grace - time.GetElapsedTime(began);
            left = left > _minimumGrace ? left : _minimumGrace;
        }

        await cri.StopContainerAsync(running.Id, left, cancellationToken);
    }

    /// <summary>Attempt of a container of which the runtime knows none: logs that are there tell how many there were.</summary>
    private static int AttemptFromLogs(string logDirectory, string container)
    {
        var directory = Path.Combine(logDirectory, container);
        if (!Directory.Exists(directory))
        {
            return 0;
        }

        var last = -1;
        foreach (var file in Directory.EnumerateFiles(directory))
        {
            var name = Path.GetFileName(file);
            if (int.TryParse(name.AsSpan(0, Math.Max(0, name.IndexOf('.', StringComparison.Ordinal))), out var attempt))
            {
                last = Math.Max(last, attempt);
            }
        }

        return last + 1;
    }

    private static string Seconds(TimeSpan delay) => delay.TotalMinutes >= 1
        ? $"{(int)delay.TotalMinutes}m{delay.Seconds}s"
        : $"{delay.Seconds}s";
}
