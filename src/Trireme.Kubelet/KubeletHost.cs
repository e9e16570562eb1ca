using System.Net;
using Microsoft.Extensions.Logging;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Component.Health;
using Trireme.Component.Metrics;
using Trireme.Kubelet.Cgroups;
using Trireme.Kubelet.Checkpoints;
using Trireme.Kubelet.Configuration;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Eviction;
using Trireme.Kubelet.Images;
using Trireme.Kubelet.Logs;
using Trireme.Kubelet.NodeStatus;
using Trireme.Kubelet.Objects;
using Trireme.Kubelet.Os;
using Trireme.Kubelet.Pleg;
using Trireme.Kubelet.PodWorkers;
using Trireme.Kubelet.Probes;
using Trireme.Kubelet.Server;
using Trireme.Kubelet.Status;
using Trireme.Kubelet.Streaming;
using Trireme.Kubelet.Volumes;
using Workers = Trireme.Kubelet.PodWorkers.PodWorkers;

namespace Trireme.Kubelet;

/// <summary>
/// The node agent. It sees the pods that are bound to its node and makes the container runtime run them: the place where all parts
/// of the kubelet are put together.
/// </summary>
/// <remarks>
/// <code>
/// API ─ informer ─┐                        ┌─ VolumeManager, PodObjects (what pods refer to)
/// checkpoints ────┼─ PodManager ─ PodWorkers ─ PodSyncer ─┼─ PodRuntime ─ ICri (containerd)
/// manifest files ─┘                 ▲      └─ StatusManager ─ API
///                GenericPleg, ProbeManager, changed objects wake a pod's worker
/// </code>
/// It stops without touching a container; the next process finds them by their labels. Without any API server it goes on with what it knows.
/// </remarks>
public static class KubeletHost
{
    /// <summary>Runs a kubelet until cancelled.</summary>
    /// <param name="options">How it runs.</param>
    /// <param name="client">The API, as <c>system:node:NAME</c>.</param>
    /// <param name="streaming">Serves exec, attach and port-forward; null answers those with 501.</param>
    /// <param name="loggers">Receives what happens.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellationToken">Stops the kubelet.</param>
    /// <param name="cri">The runtime; null connects to that of the options.</param>
    /// <exception cref="IOException">A port or a directory cannot be had.</exception>
    public static async Task RunAsync(
        KubeletOptions options,
        IApiClient client,
        Func<ICri, IStreamingEndpoints?>? streaming,
        ILoggerFactory loggers,
        TimeProvider time,
        CancellationToken cancellationToken,
        ICri? cri = null)
    {
        using var ownRuntime = cri is null ? new CriClient(options.ContainerRuntimeEndpoint, time) : null;
        cri ??= ownRuntime!;
        var random = new Random();
        Directory.CreateDirectory(options.RootDirectory);
        var paths = new KubeletPaths(Linux.RealPath(options.RootDirectory), options.PodLogDirectory);
        Directory.CreateDirectory(paths.Pods);
        Directory.CreateDirectory(paths.PodLogs);
        var log = loggers.CreateLogger(typeof(KubeletHost));

        // What the machine is, and what pods may use of it.
        var machine = new Machine(paths.Root);
        var node = new NodeStatusBuilder(options, machine);
        var allocatable = node.Allocatable();
        var cgroups = new CgroupManager(options.CgroupRoot, loggers.CreateLogger<CgroupManager>());
        cgroups.EnsureRoots(machine.MilliCpu, machine.MemoryBytes);

        // What pods refer to.
        var informers = new InformerFactory(client, loggers, time);
        var events = new EventRecorder(client, "kubelet", options.NodeName, loggers.CreateLogger<EventRecorder>(), time);
        var store = new CheckpointStore(paths.Checkpoints);
        var checkpoints = new PodCheckpoints(store, loggers.CreateLogger<PodCheckpoints>());
        await using var objects = new PodObjects(client, informers, store, time, loggers);

        // How a pod is run.
        using var http = new HttpActions();
        await using var probes = new ProbeManager(new Prober(cri, http, time), events, time);
        using var images = new ImageManager(cri, objects, events, time, options.MaxParallelImagePulls);
        var dns = new PodDns(options.ClusterDns, options.ClusterDomain, options.ResolvConf);
        var configs = new RuntimeConfigFactory(paths, dns, cgroups, new EnvironmentBuilder(objects, () => allocatable), machine.MemoryBytes);
        var podRuntime = new PodRuntime(
            cri, configs, images, new LifecycleHooks(cri, http, time), probes, cgroups, events, new RuntimeClasses(client, store), time,
            loggers.CreateLogger<PodRuntime>());
        var volumes = new VolumeManager(
            paths, new VolumePayload(objects, () => allocatable), new PersistentVolumes(client, store), time, loggers.CreateLogger<VolumeManager>());
        var statuses = new StatusManager(client, checkpoints, time, loggers.CreateLogger<StatusManager>());
        var monitor = new RuntimeMonitor(cri, time, loggers.CreateLogger<RuntimeMonitor>());
        var syncer = new PodSyncer(
            cri, podRuntime, volumes, probes, statuses, cgroups, objects, paths, () => node.HostIPs, () => monitor.NetworkProblem, events, time,
            loggers.CreateLogger<PodSyncer>());
        await using var workers = new Workers(syncer, time, options.SyncFrequency, random, loggers.CreateLogger<Workers>());
        probes.Changed = workers.Wake;
        objects.Changed = workers.Wake;

        // Which pods.
        var staticPods = options.PodManifestPath is { } manifests
            ? new StaticPods(manifests, options.NodeName, loggers.CreateLogger<StaticPods>())
            : null;
        var bound = informers.Filtered<Api.Models.Core.V1.Pod>(null, new ListOptions { FieldSelector = $"spec.nodeName={options.NodeName}" });
        var pods = new PodManager(
            options.NodeName, client, bound, staticPods, checkpoints, workers, statuses, new PodTraces(cri, paths, cgroups), time,
            loggers.CreateLogger<PodManager>());
        statuses.MirrorOf = pods.MirrorOf;
        var pleg = new GenericPleg(cri, workers.Wake, options.PlegRelistPeriod, time, loggers.CreateLogger<GenericPleg>());

        // Keeping the machine in order.
        var containerCollector = new ContainerGarbageCollector(cri, time, loggers.CreateLogger<ContainerGarbageCollector>());
        var imageCollector = new ImageGarbageCollector(
            cri, options.ImageGcHighThreshold, options.ImageGcLowThreshold, time, loggers.CreateLogger<ImageGarbageCollector>());
        var logManager = new ContainerLogManager(
            cri, options.ContainerLogMaxSize, options.ContainerLogMaxFiles, time, loggers.CreateLogger<ContainerLogManager>());
        var eviction = new EvictionManager(
            options,
            machine,
            cgroups,
            paths,
            () => [.. pods.Pods.Where(p => workers.StateOf(p.Uid()) == PodWorkState.Syncing)],
            (pod, reason) => workers.Kill(pod, TimeSpan.FromSeconds(1), reason, removed: false),
            async token =>
            {
                await containerCollector.CollectAsync(token);
                await imageCollector.CollectAsync(options.ImageGcLowThreshold, token);
            },
            events,
            time,
            loggers.CreateLogger<EvictionManager>());

        // The node itself.
        NodeProblems Problems() => new(
            Join(monitor.RuntimeProblem is { } r ? $"container runtime not ready: {r}" : null,
                monitor.NetworkProblem is { } n ? $"container runtime network not ready: {n}" : null,
                pleg.Unhealthy),
            eviction.MemoryPressure,
            eviction.DiskPressure,
            eviction.PidPressure);
        var nodeStatus = new NodeStatusManager(
            options, client, informers, cri, monitor, node, Problems, time, loggers.CreateLogger<NodeStatusManager>());
        monitor.Changed = nodeStatus.Wake;
        var lease = new NodeLease(
            client, options.NodeName, options.NodeLeaseRenewInterval, options.NodeLeaseDuration, time, loggers.CreateLogger<NodeLease>());

        // Its doors.
        var metrics = new MetricsRegistry();
        ProcessMetrics.AddTo(metrics);
        var running = metrics.Gauge("kubelet_running_pods", "Number of pods that have a running pod sandbox").With();
        metrics.OnScrape(() => running.Set(pleg.Pods.Count));
        var endpoints = new KubeletEndpoints(
            pods, statuses, cri, new ContainerLogReader(time), new StatsSummary(options.NodeName, cri, machine, time), metrics, () => pleg.Unhealthy, time,
            streaming?.Invoke(cri));
        await using var server = await KubeletServer.StartAsync(options, paths, endpoints, loggers, time, cancellationToken);
        await using var health = options.HealthzPort == 0 ? null : await HealthServer.StartAsync(
            new HealthServerOptions { BindAddress = IPAddress.Loopback, Port = options.HealthzPort },
            [HealthCheck.Ping, new HealthCheck("pleg", () => pleg.Unhealthy)],
            [],
            metrics,
            loggers,
            time,
            cancellationToken);

        log.LogInformation("Kubelet of node {Node} runs, runtime {Endpoint}", options.NodeName, options.ContainerRuntimeEndpoint);
        await Loops.RunTogetherAsync(
            cancellationToken,
            monitor.RunAsync,
            informers.RunAsync,
            events.RunAsync,
            objects.RunAsync,
            statuses.RunAsync,
            pods.RunAsync,
            pleg.RunAsync,
            nodeStatus.RunAsync,
            nodeStatus.ReconcileLabelsAsync,
            lease.RunAsync,
            containerCollector.RunAsync,
            imageCollector.RunAsync,
            logManager.RunAsync,
            eviction.RunAsync);
        log.LogInformation("Kubelet of node {Node} stops; containers run on", options.NodeName);
    }

    private static string? Join(params ReadOnlySpan<string?> problems)
    {
        string? all = null;
        foreach (var problem in problems)
        {
            all = problem is null ? all : all is null ? problem : $"{all}, {problem}";
        }

        return all;
    }
}
