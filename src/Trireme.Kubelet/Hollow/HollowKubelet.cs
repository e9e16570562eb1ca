using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.NodeStatus;
using Trireme.Kubelet.Probes;
using Trireme.Kubelet.Status;
using Trireme.Primitives;

namespace Trireme.Kubelet.Hollow;

/// <summary>
/// Many nodes in one process that run nothing: they register, send heartbeats, show the pods bound to them as Running and Ready, and let go of
/// deleted ones. For control planes without root, and for measuring schedulers and API servers with hundreds of nodes. Upstream: kubemark.
/// </summary>
public sealed class HollowKubelet(HollowOptions options, IApiClient client, ILoggerFactory loggers, TimeProvider time)
{
    private readonly ILogger _logger = loggers.CreateLogger<HollowKubelet>();
    private readonly HashSet<string> _names = [.. options.Nodes.Select(n => n.Name)];
    private int _addresses;

    /// <summary>Simulates the nodes until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var informers = new InformerFactory(client, loggers, time);
        using var queue = new WorkQueue<NamespacedName>(time);
        var pods = informers.For<Pod>();
        pods.AddEventHandler(new ResourceEventHandler<Pod>(Enqueue, (_, pod) => Enqueue(pod), null));
        void Enqueue(Pod pod)
        {
            if (pod.Spec?.NodeName is { } node && _names.Contains(node) && NeedsWork(pod))
            {
                queue.Add(new NamespacedName(pod.Namespace(), pod.Name()));
            }
        }

        try
        {
            await Task.WhenAll(
                RegisterAllAsync(cancellationToken),
                informers.RunAsync(cancellationToken),
                HeartbeatsAsync(cancellationToken),
                Task.WhenAll(Enumerable.Range(0, options.Workers).Select(_ => WorkAsync(queue, pods.Indexer, cancellationToken))));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private static bool NeedsWork(Pod pod) => pod.Metadata.DeletionTimestamp is not null || pod.Status?.Phase is null or PodPhase.Pending;

    private async Task WorkAsync(WorkQueue<NamespacedName> queue, IIndexer<Pod> pods, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            NamespacedName key;
            try
            {
                key = await queue.GetAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            try
            {
                if (pods.Get(key.Namespace, key.Name) is { } pod && NeedsWork(pod))
                {
                    await SyncAsync(pod, cancellationToken);
                }

                queue.Forget(key);
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException or JsonException)
            {
                queue.AddRateLimited(key);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            finally
            {
                queue.Done(key);
            }
        }
    }

    private async Task SyncAsync(Pod pod, CancellationToken cancellationToken)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            await client.DeleteAsync<Pod>(pod.Namespace(), pod.Name(), new DeleteRequest(0, PreconditionUid: pod.Uid()), cancellationToken);
            return;
        }

        var next = pod.Clone();
        next.Status = RunningStatus(pod);
        await client.UpdateStatusAsync(next, cancellationToken);
    }

    /// <summary>The status that a kubelet would compute if all containers ran: the same code on a made-up runtime.</summary>
    private PodStatus RunningStatus(Pod pod)
    {
        var now = time.GetUtcNow();
        var nanoseconds = Cri.CriTime.ToNanoseconds(now);
        var sandbox = new Cri.V1.PodSandboxStatus
        {
            Id = "hollow-" + pod.Uid(),
            State = Cri.V1.PodSandboxState.SandboxReady,
            Network = new Cri.V1.PodSandboxNetworkStatus { Ip = NextAddress() },
        };
        RuntimeContainer Container(Api.Models.Core.V1.Container container, bool exited) => new(sandbox.Id, new Cri.V1.ContainerStatus
        {
            Id = $"hollow-{pod.Uid()}-{container.Name}",
            Metadata = new Cri.V1.ContainerMetadata { Name = container.Name },
            State = exited ? Cri.V1.ContainerState.ContainerExited : Cri.V1.ContainerState.ContainerRunning,
            CreatedAt = nanoseconds,
            StartedAt = nanoseconds,
            FinishedAt = exited ? nanoseconds : 0,
            ImageRef = container.Image ?? "",
        });
        var runtime = new PodRuntimeStatus(
            pod.Uid(),
            [sandbox],
            [.. pod.InitContainers().Select(c => Container(c, exited: !c.IsSidecar())), .. pod.Containers().Select(c => Container(c, exited: false))]);
        return PodStatusGenerator.Generate(
            pod,
            new PodStatusInput(runtime, pod.Status, new Dictionary<string, WaitingReason>(), AlwaysReady.Instance, [AddressOf(pod.Spec!.NodeName!)], _ => null, now));
    }

    /// <summary>Addresses out of 100.64.0.0/10, which no real pod network of ours uses.</summary>
    private string NextAddress()
    {
        var number = (uint)Interlocked.Increment(ref _addresses);
        return new IPAddress([100, (byte)(64 + ((number >> 16) & 0x3F)), (byte)(number >> 8), (byte)number]).ToString();
    }

    private string AddressOf(string node)
    {
        var index = Math.Max(0, options.Nodes.TakeWhile(n => n.Name != node).Count());
        return new IPAddress([10, 98, (byte)(index >> 8), (byte)(index + 1)]).ToString();
    }

    private async Task RegisterAllAsync(CancellationToken cancellationToken)
    {
        await Parallel.ForEachAsync(
            options.Nodes,
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (node, token) => await UntilDoneAsync(() => RegisterAsync(node.Name, node.Zone, token), token));
        _logger.LogInformation("{Count} hollow nodes are registered", options.Nodes.Count);
    }

    private async Task UntilDoneAsync(Func<Task> action, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await action();
                return;
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException or JsonException)
            {
                _logger.LogDebug("Node was not written: {Error}", e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(500), time, cancellationToken);
            }
        }
    }

    private async Task RegisterAsync(string name, string? zone, CancellationToken cancellationToken)
    {
        var node = await client.FindAsync<Node>(null, name, cancellationToken);
        if (node is null)
        {
            var labels = new Dictionary<string, string> { ["kubernetes.io/hostname"] = name, ["kubernetes.io/os"] = "linux", ["kubernetes.io/arch"] = "amd64" };
            if (zone is not null)
            {
                labels["topology.kubernetes.io/zone"] = zone;
            }

            node = await client.CreateAsync(new Node { Metadata = new ObjectMeta { Name = name, Labels = labels } }, cancellationToken);
        }

        node.Status = StatusOf(name, node.Status, time.GetUtcNow());
        await client.UpdateStatusAsync(node, cancellationToken);
    }

    private Api.Models.Core.V1.NodeStatus StatusOf(string name, Api.Models.Core.V1.NodeStatus? old, DateTimeOffset now)
    {
        var resources = new Dictionary<string, Quantity>
        {
            [ResourceName.Cpu] = options.Cpu.ToString(CultureInfo.InvariantCulture),
            [ResourceName.Memory] = options.Memory,
            [ResourceName.EphemeralStorage] = "100Gi",
            [ResourceName.Pods] = options.MaxPods.ToString(CultureInfo.InvariantCulture),
        };
        NodeCondition Condition(string type, bool value, string reason) => new()
        {
            Type = type,
            Status = value ? "True" : "False",
            Reason = reason,
            Message = "hollow kubelet: nothing runs on this node",
            LastHeartbeatTime = now,
            LastTransitionTime = old?.Conditions?.FirstOrDefault(c => c.Type == type && c.Status == (value ? "True" : "False"))?.LastTransitionTime ?? now,
        };
        return new Api.Models.Core.V1.NodeStatus
        {
            Capacity = resources,
            Allocatable = resources,
            Addresses = [new NodeAddress { Type = NodeAddressType.InternalIP, Address = AddressOf(name) }, new NodeAddress { Type = NodeAddressType.Hostname, Address = name }],
            DaemonEndpoints = new NodeDaemonEndpoints { KubeletEndpoint = new DaemonEndpoint { Port = 10250 } },
            NodeInfo = new NodeSystemInfo
            {
                MachineID = name, SystemUUID = name, BootID = name, KernelVersion = "hollow", OsImage = "hollow", ContainerRuntimeVersion = "hollow://1.0.0",
                KubeletVersion = NodeStatusBuilder.KubeletVersion, KubeProxyVersion = "", OperatingSystem = "linux", Architecture = "amd64",
            },
            Conditions =
            [
                Condition(NodeConditionType.MemoryPressure, false, "KubeletHasSufficientMemory"),
                Condition(NodeConditionType.DiskPressure, false, "KubeletHasNoDiskPressure"),
                Condition(NodeConditionType.PIDPressure, false, "KubeletHasSufficientPID"),
                Condition(NodeConditionType.Ready, true, "KubeletReady"),
            ],
        };
    }

    /// <summary>Leases of all nodes, spread over the interval; a node that was declared lost reports itself again.</summary>
    private async Task HeartbeatsAsync(CancellationToken cancellationToken)
    {
        var spacing = options.LeaseRenewInterval / Math.Max(1, options.Nodes.Count);
        var beats = options.Nodes.Select(async (node, index) =>
        {
            await Task.Delay(spacing * index, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var lease = new NodeLease(client, node.Name, options.LeaseRenewInterval, options.LeaseDuration, time, loggers.CreateLogger<NodeLease>());
            await lease.RunAsync(cancellationToken);
        });
        await Task.WhenAll(beats.Append(ReviveAsync(cancellationToken)));
    }

    private async Task ReviveAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(10), time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await ReviveOnceAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task ReviveOnceAsync(CancellationToken cancellationToken)
    {
        try
        {
            var nodes = await client.ListAsync<Node>(null, new ListOptions { ResourceVersion = "0" }, cancellationToken);
            var lost = nodes.Items.Where(n => _names.Contains(n.Metadata.Name!)
                && n.Status?.Conditions?.Any(c => c is { Type: NodeConditionType.Ready, Status: "True" }) != true);
            foreach (var node in lost)
            {
                node.Status = StatusOf(node.Metadata.Name!, node.Status, time.GetUtcNow());
                await client.UpdateStatusAsync(node, cancellationToken);
            }
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException or JsonException)
        {
            _logger.LogDebug("Nodes were not revived: {Error}", e.Message);
        }
    }

    private sealed class AlwaysReady : IProbeResults
    {
        public static AlwaysReady Instance { get; } = new();

        public ProbeResult Get(ProbeType type, string containerId) => ProbeResult.Success;

        public bool HasStarted(Api.Models.Core.V1.Container container, RuntimeContainer running) => true;

        public bool IsReady(Api.Models.Core.V1.Container container, RuntimeContainer running) => true;
    }
}
