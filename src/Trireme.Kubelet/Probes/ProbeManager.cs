using System.Collections.Concurrent;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Events;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.Probes;

/// <summary>Owns the probes of all pods and remembers their results by container.</summary>
public sealed class ProbeManager(IProber prober, IEventRecorder events, TimeProvider time) : IProbeResults, IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<(ProbeType Type, string ContainerId), ProbeResult> _results = new();

    // Guards the workers by pod.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<(string Container, ProbeType Type), ProbeWorker>> _pods = new(StringComparer.Ordinal);

    /// <summary>Called with a pod's uid when a result of one of its probes has changed.</summary>
    public Action<string>? Changed { get; set; }

    public ProbeResult Get(ProbeType type, string containerId) => _results.GetValueOrDefault((type, containerId));

    public bool HasStarted(Container container, RuntimeContainer running) =>
        container.StartupProbe is null || Get(ProbeType.Startup, running.Id) == ProbeResult.Success;

    public bool IsReady(Container container, RuntimeContainer running) =>
        HasStarted(container, running) && (container.ReadinessProbe is null || Get(ProbeType.Readiness, running.Id) == ProbeResult.Success);

    /// <summary>Starts the probes of a pod that are not running yet, and tells all of them how the pod is now.</summary>
    /// <param name="pod">The pod with its last status; what that says of a container that still runs is believed until probed.</param>
    /// <param name="runtime">The pod at the runtime.</param>
    /// <param name="podIP">Address for HTTP, TCP and gRPC.</param>
    public void Observe(Pod pod, PodRuntimeStatus runtime, string podIP)
    {
        lock (_lock)
        {
            var known = _pods.TryGetValue(pod.Uid(), out var workers);
            if (!known)
            {
                Recall(pod);
                _pods[pod.Uid()] = workers = [];
            }

            foreach (var container in pod.AllContainers())
            {
                ObserveLocked(workers!, pod, container, ProbeType.Startup, container.StartupProbe, runtime, podIP);
                ObserveLocked(workers!, pod, container, ProbeType.Liveness, container.LivenessProbe, runtime, podIP);
                ObserveLocked(workers!, pod, container, ProbeType.Readiness, container.ReadinessProbe, runtime, podIP);
            }
        }
    }

    /// <summary>A pod that terminates is not killed again by its probes; readiness goes on, so that it leaves its services when it stops answering.</summary>
    public void StopLivenessAndStartup(string podUid)
    {
        lock (_lock)
        {
            foreach (var worker in _pods.GetValueOrDefault(podUid)?.Values.Where(w => w.Type != ProbeType.Readiness) ?? [])
            {
                worker.Stop();
            }
        }
    }

    public void Remove(string podUid, IEnumerable<string> containerIds)
    {
        lock (_lock)
        {
            if (_pods.Remove(podUid, out var workers))
            {
                foreach (var worker in workers.Values)
                {
                    worker.Stop();
                }
            }
        }

        foreach (var id in containerIds)
        {
            foreach (var type in (ReadOnlySpan<ProbeType>)[ProbeType.Liveness, ProbeType.Readiness, ProbeType.Startup])
            {
                _results.TryRemove((type, id), out _);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Task[] running;
        lock (_lock)
        {
            running = [.. _pods.Values.SelectMany(p => p.Values).Select(w => w.Completion)];
        }

        await Task.WhenAll(running);
        _stopping.Dispose();
    }

    /// <summary>First result of a container that nobody has probed: alive, not ready, start unknown.</summary>
    internal void Start(ProbeType type, string containerId) =>
        _results.TryAdd(
            (type, containerId),
            type switch { ProbeType.Liveness => ProbeResult.Success, ProbeType.Readiness => ProbeResult.Failure, _ => ProbeResult.Unknown });

    internal Task<ProbeAttempt> AttemptAsync(Probe probe, ProbeTarget target, CancellationToken cancellationToken) =>
        prober.ProbeAsync(probe, target, cancellationToken);

    internal void Set(ProbeType type, Pod pod, string containerId, ProbeResult result)
    {
        var old = _results.GetValueOrDefault((type, containerId));
        _results[(type, containerId)] = result;
        if (old != result)
        {
            Changed?.Invoke(pod.Uid());
        }
    }

    internal void ReportFailure(ProbeType type, Pod pod, string container, string output) =>
        events.Event(pod, "Warning", "Unhealthy", $"{type} probe failed: {output.Trim()}", $"spec.containers{{{container}}}");

    internal void ReportUnknown(ProbeType type, Pod pod, string container, string output) =>
        events.Event(pod, "Warning", "Unhealthy", $"{type} probe errored and resulted in unknown state: {output.Trim()}", $"spec.containers{{{container}}}");

    /// <summary>
    /// After a restart of the kubelet a container that was started and ready stays so until its probes say otherwise; otherwise every restart
    /// would take all pods of a node out of their services.
    /// </summary>
    private void Recall(Pod pod)
    {
        foreach (var status in (pod.Status?.ContainerStatuses ?? []).Concat(pod.Status?.InitContainerStatuses ?? []))
        {
            if (status is not { State.Running: not null, ContainerID: { } id } || id.IndexOf("://", StringComparison.Ordinal) is var at && at < 0)
            {
                continue;
            }

            var containerId = id[(at + 3)..];
            if (status.Ready)
            {
                _results.TryAdd((ProbeType.Readiness, containerId), ProbeResult.Success);
            }

            if (status.Started == true)
            {
                _results.TryAdd((ProbeType.Startup, containerId), ProbeResult.Success);
            }
        }
    }

    private void ObserveLocked(
        Dictionary<(string Container, ProbeType Type), ProbeWorker> workers,
        Pod pod,
        Container container,
        ProbeType type,
        Probe? probe,
        PodRuntimeStatus runtime,
        string podIP)
    {
        if (probe is null)
        {
            return;
        }

        if (!workers.TryGetValue((container.Name!, type), out var worker))
        {
            worker = new ProbeWorker(type, probe, container.Name!, this, time, _stopping.Token);
            workers[(container.Name!, type)] = worker;
        }

        var active = runtime.Active(container.Name!);
        worker.Observe(pod, container, active is { IsRunning: true } ? active : null, podIP);
    }
}
