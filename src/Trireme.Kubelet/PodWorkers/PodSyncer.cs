using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Events;
using Trireme.Kubelet.Cgroups;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Objects;
using Trireme.Kubelet.Probes;
using Trireme.Kubelet.Status;
using Trireme.Kubelet.Volumes;

namespace Trireme.Kubelet.PodWorkers;

/// <summary>
/// How a pod is brought to run, stopped, and cleaned away: the story of the kubelet. Each step reads what is and does what is missing, so that it
/// may be cut off anywhere (by a deletion, by the death of this process) and started over.
/// </summary>
public sealed class PodSyncer(
    ICri cri,
    PodRuntime runtime,
    VolumeManager volumes,
    ProbeManager probes,
    StatusManager statuses,
    ICgroupManager cgroups,
    IPodObjects objects,
    KubeletPaths paths,
    Func<IReadOnlyList<string>> hostIPs,
    Func<string?> networkNotReady,
    IEventRecorder events,
    TimeProvider time,
    ILogger<PodSyncer> logger) : IPodSyncer
{
    /// <summary>Init containers are short: their end is looked for more often than the runtime is relisted, at first.</summary>
    private static readonly TimeSpan _initPeriod = TimeSpan.FromMilliseconds(400);

    private static readonly TimeSpan _maxInitPeriod = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, WaitingReason>> _waiting = new(StringComparer.Ordinal);

    /// <summary>
    /// 1 read the runtime, 2 tell the probes, 3 set the status, and be done when the pod has ended, 4 wait for the network, 5 set up
    /// volumes, 6 start and stop containers, 7 set the status that came of it.
    /// </summary>
    public async Task<SyncOutcome> SyncPodAsync(Pod pod, CancellationToken cancellationToken)
    {
        // 1, 2, 3
        var current = await ReadAsync(pod, cancellationToken);
        var failure = DeadlineFailure(pod, statuses.Get(pod.Uid())?.StartTime ?? pod.Status?.StartTime, out _);
        var status = SetStatus(pod, current, failure, couldHaveRunning: true);
        if (failure is not null || status.Phase is PodPhase.Failed or PodPhase.Succeeded || HasEnded(pod, current))
        {
            return new SyncOutcome(IsTerminal: true);
        }

        // 4
        if (pod.Spec?.HostNetwork != true && networkNotReady() is { } reason && current.Sandbox is null)
        {
            events.Event(pod, "Warning", "NetworkNotReady", $"network is not ready: {reason}");
            return new SyncOutcome(false, TimeSpan.FromSeconds(1));
        }

        // 5
        MountedVolumes mounted;
        try
        {
            mounted = await volumes.MountAsync(WithStatus(pod, status), cancellationToken);
        }
        catch (VolumeException e)
        {
            events.Event(pod, "Warning", "FailedMount", e.Message);
            logger.LogInformation("Volumes of pod {Pod} are not ready: {Error}", pod.Describe(), e.Message);
            return new SyncOutcome(false, Failed: true);
        }

        foreach (var problem in mounted.Problems)
        {
            events.Event(pod, "Warning", "FailedMount", problem);
        }

        // 6
        var result = await runtime.SyncPodAsync(WithStatus(pod, status), current, mounted.Places, cancellationToken);
        Remember(pod.Uid(), result);

        // 7
        current = await ReadAsync(pod, cancellationToken);
        status = SetStatus(pod, current, null, couldHaveRunning: true);
        if (result.SandboxError is not null)
        {
            return new SyncOutcome(false, Failed: true);
        }

        DeadlineFailure(pod, status.StartTime, out var untilDeadline);
        var retry = Earlier(result.RetryAfter, untilDeadline);
        var inInit = pod.InitContainers().Count > 0 && !PodActions.HasInitialized(pod, current) && result.Waiting.Count == 0;
        return new SyncOutcome(status.Phase is PodPhase.Failed or PodPhase.Succeeded, inInit ? Earlier(retry, InitPeriod(pod, current)) : retry);
    }

    /// <summary>1 show that the pod goes, 2 stop its containers, 3 make sure that none runs, 4 show their end.</summary>
    public async Task SyncTerminatingPodAsync(Pod pod, TimeSpan grace, WaitingReason? failure, CancellationToken cancellationToken)
    {
        probes.StopLivenessAndStartup(pod.Uid());
        var current = await ReadAsync(pod, cancellationToken, observe: failure is null);
        failure ??= pod.Metadata.DeletionTimestamp is null ? DeadlineFailure(pod, statuses.Get(pod.Uid())?.StartTime ?? pod.Status?.StartTime, out _) : null;
        if (pod.Spec is not null)
        {
            SetStatus(pod, current, failure, couldHaveRunning: true);
        }

        await runtime.KillPodAsync(pod, current, grace, cancellationToken);
        current = await PodRuntimeStatus.ReadAsync(cri, pod.Uid(), cancellationToken);
        if (current.HasRunningContainers)
        {
            throw new InvalidOperationException(
                $"Containers still run after the pod was stopped: {string.Join(", ", current.Containers.Where(c => c.IsRunning).Select(c => c.Name))}");
        }

        _waiting.TryRemove(pod.Uid(), out _);
        if (pod.Spec is not null)
        {
            SetStatus(pod, current, failure, couldHaveRunning: false);
        }
    }

    /// <summary>1 volumes, 2 containers and logs of a deleted pod, 3 cgroups, 4 let the API forget a deleted pod.</summary>
    public async Task SyncTerminatedPodAsync(Pod pod, bool removed, CancellationToken cancellationToken)
    {
        var uid = pod.Uid();
        volumes.TearDown(uid, wholePod: removed);
        var current = await PodRuntimeStatus.ReadAsync(cri, uid, cancellationToken);
        if (removed)
        {
            foreach (var sandbox in current.Sandboxes)
            {
                await cri.RemovePodSandboxAsync(sandbox.Id, cancellationToken);
            }

            foreach (var container in current.Containers)
            {
                await cri.RemoveContainerAsync(container.Id, cancellationToken);
            }

            RemoveLogs(pod);
        }

        if (!cgroups.TryRemovePod(uid))
        {
            throw new InvalidOperationException("Cgroup of the pod is still in use");
        }

        probes.Remove(uid, current.Containers.Select(c => c.Id));
        runtime.Forget(uid);
        _waiting.TryRemove(uid, out _);
        if (removed)
        {
            objects.Release(uid);
            if (pod.Metadata.DeletionTimestamp is not null)
            {
                statuses.SetTerminated(pod);
            }
        }
    }

    /// <summary>The longer an init container has run already, the less often it is looked at.</summary>
    private TimeSpan InitPeriod(Pod pod, PodRuntimeStatus current)
    {
        var started = pod.InitContainers().Select(c => current.Active(c.Name!)).Where(c => c is { IsRunning: true }).Max(c => c!.StartedAt as DateTimeOffset?);
        var period = (time.GetUtcNow() - (started ?? time.GetUtcNow())) / 5;
        return period < _initPeriod ? _initPeriod : period < _maxInitPeriod ? period : _maxInitPeriod;
    }

    private static TimeSpan? Earlier(TimeSpan? a, TimeSpan? b) => a is null ? b : b is null ? a : a < b ? a : b;

    private static Pod WithStatus(Pod pod, PodStatus status) => new() { Metadata = pod.Metadata, Spec = pod.Spec, Status = status };

    /// <summary>Whether no container will be started again, although some may still run (sidecars of a finished pod).</summary>
    private static bool HasEnded(Pod pod, PodRuntimeStatus current) =>
        pod.Containers().All(c => current.Latest(c.Name!) is { HasExited: true } last && !RestartDecision.ShouldStart(pod, c, last));

    private async Task<PodRuntimeStatus> ReadAsync(Pod pod, CancellationToken cancellationToken, bool observe = true)
    {
        var current = await PodRuntimeStatus.ReadAsync(cri, pod.Uid(), cancellationToken);
        if (observe && pod.Metadata.DeletionTimestamp is null)
        {
            var ip = pod.Spec?.HostNetwork == true ? hostIPs().FirstOrDefault() : current.IPs.FirstOrDefault();
            probes.Observe(pod, current, ip ?? "");
        }

        return current;
    }

    private PodStatus SetStatus(Pod pod, PodRuntimeStatus current, WaitingReason? failure, bool couldHaveRunning)
    {
        var input = new PodStatusInput(
            current,
            statuses.Get(pod.Uid()) ?? pod.Status,
            _waiting.GetValueOrDefault(pod.Uid()) ?? new Dictionary<string, WaitingReason>(),
            probes,
            hostIPs(),
            TerminationMessages.Of,
            time.GetUtcNow())
        {
            Failure = failure,
            CouldHaveRunningContainers = couldHaveRunning,
        };
        var status = PodStatusGenerator.Generate(pod, input);
        statuses.Set(pod, status);
        return status;
    }

    private void Remember(string uid, PodSyncResult result)
    {
        // Reasons of containers that this sync did not come to stay as they were.
        var reasons = new Dictionary<string, WaitingReason>(_waiting.GetValueOrDefault(uid) ?? new Dictionary<string, WaitingReason>());
        foreach (var name in result.Started)
        {
            reasons.Remove(name);
        }

        foreach (var (name, reason) in result.Waiting)
        {
            reasons[name] = reason;
        }

        _waiting[uid] = reasons;
    }

    private WaitingReason? DeadlineFailure(Pod pod, DateTimeOffset? started, out TimeSpan? left)
    {
        left = null;
        if (pod.Spec?.ActiveDeadlineSeconds is not { } seconds || started is null)
        {
            return null;
        }

        left = started.Value + TimeSpan.FromSeconds(seconds) - time.GetUtcNow();
        return left > TimeSpan.Zero
            ? null
            : new WaitingReason("DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
    }

    private void RemoveLogs(Pod pod)
    {
        try
        {
            // By uid: of a pod that left no more than its directories the name is not known.
            foreach (var directory in Directory.EnumerateDirectories(paths.PodLogs, "*_" + pod.Uid()))
            {
                Directory.Delete(directory, recursive: true);
            }
        }
        catch (IOException e)
        {
            logger.LogDebug("Logs of pod {Pod} were not removed: {Error}", pod.Describe(), e.Message);
        }
    }
}
