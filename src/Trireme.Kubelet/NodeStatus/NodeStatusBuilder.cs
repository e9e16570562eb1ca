using System.Globalization;
using Trireme.Api;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.NodeStatus;

/// <summary>Problems that a node's conditions show; null means that there is none.</summary>
public readonly record struct NodeProblems(string? NotReady, string? MemoryPressure, string? DiskPressure, string? PidPressure);

/// <summary>Composes what the kubelet says of its node.</summary>
public sealed class NodeStatusBuilder(KubeletOptions options, Machine machine)
{
    /// <summary>gitVersion of the API that this kubelet speaks.</summary>
    public const string KubeletVersion = "v1.36.3+trireme.0.1.0";

    /// <summary>The node's addresses: where servers reach it.</summary>
    public IReadOnlyList<string> HostIPs { get; } = [options.NodeIP ?? Machine.DefaultIP()];

    public IReadOnlyDictionary<string, Quantity> Capacity() => Resources(machine.MemoryBytes, machine.Disk.TotalBytes);

    /// <summary>What pods may use: capacity without what eviction keeps free.</summary>
    public IReadOnlyDictionary<string, Quantity> Allocatable()
    {
        var disk = machine.Disk.TotalBytes;
        return Resources(machine.MemoryBytes - options.EvictionMemoryAvailableBytes, (long)(disk * (1 - options.EvictionNodeFsAvailable)));
    }

    /// <summary>Labels that every node carries, with those of the options.</summary>
    public Dictionary<string, string> Labels()
    {
        var labels = new Dictionary<string, string>(options.NodeLabels, StringComparer.Ordinal)
        {
            ["kubernetes.io/hostname"] = options.NodeName,
            ["kubernetes.io/os"] = "linux",
            ["kubernetes.io/arch"] = machine.Architecture,
            ["beta.kubernetes.io/os"] = "linux",
            ["beta.kubernetes.io/arch"] = machine.Architecture,
        };
        return labels;
    }

    /// <param name="old">The status before: conditions of others and transition times go on from it.</param>
    /// <param name="problems">What is wrong.</param>
    /// <param name="runtimeVersion">Name and version of the container runtime.</param>
    /// <param name="images">Images on the machine.</param>
    /// <param name="now">Time of the heartbeat.</param>
    public Api.Models.Core.V1.NodeStatus Build(
        Api.Models.Core.V1.NodeStatus? old, NodeProblems problems, string runtimeVersion, List<ContainerImage>? images, DateTimeOffset now)
    {
        var status = new Api.Models.Core.V1.NodeStatus
        {
            Capacity = new Dictionary<string, Quantity>(Capacity()),
            Allocatable = new Dictionary<string, Quantity>(Allocatable()),
            Phase = old?.Phase,
            Addresses =
            [
                .. HostIPs.Select(ip => new NodeAddress { Type = NodeAddressType.InternalIP, Address = ip }),
                new NodeAddress { Type = NodeAddressType.Hostname, Address = options.NodeName },
            ],
            DaemonEndpoints = new NodeDaemonEndpoints { KubeletEndpoint = new DaemonEndpoint { Port = options.Port } },
            NodeInfo = new NodeSystemInfo
            {
                MachineID = machine.MachineId,
                SystemUUID = machine.SystemUuid,
                BootID = machine.BootId,
                KernelVersion = machine.KernelVersion,
                OsImage = machine.OsImage,
                ContainerRuntimeVersion = runtimeVersion,
                KubeletVersion = KubeletVersion,
                KubeProxyVersion = "",
                OperatingSystem = "linux",
                Architecture = machine.Architecture,
            },
            Images = images ?? old?.Images,
            VolumesInUse = old?.VolumesInUse,
            VolumesAttached = old?.VolumesAttached,
            Config = old?.Config,
        };
        status.Conditions =
        [
            Condition(old, NodeConditionType.MemoryPressure, problems.MemoryPressure, now, "KubeletHasInsufficientMemory", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            Condition(old, NodeConditionType.DiskPressure, problems.DiskPressure, now, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            Condition(old, NodeConditionType.PIDPressure, problems.PidPressure, now, "KubeletHasInsufficientPID", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            .. (old?.Conditions ?? []).Where(c => !IsOwned(c.Type)),
            Ready(old, problems.NotReady, now),
        ];
        return status;
    }

    /// <summary>The conditions without the times that change with every heartbeat.</summary>
    public static Api.Models.Core.V1.NodeStatus WithoutHeartbeat(Api.Models.Core.V1.NodeStatus status)
    {
        var copy = Api.Models.ModelJson.Clone(status);
        foreach (var condition in copy.Conditions ?? [])
        {
            condition.LastHeartbeatTime = null;
        }

        return copy;
    }

    private static bool IsOwned(string? type) =>
        type is NodeConditionType.Ready or NodeConditionType.MemoryPressure or NodeConditionType.DiskPressure or NodeConditionType.PIDPressure;

    private static NodeCondition Ready(Api.Models.Core.V1.NodeStatus? old, string? problem, DateTimeOffset now)
    {
        var condition = Condition(old, NodeConditionType.Ready, null, now, "", "KubeletReady", "kubelet is posting ready status");
        (condition.Status, condition.Reason, condition.Message) = problem is null
            ? (ConditionStatus.True, "KubeletReady", "kubelet is posting ready status")
            : (ConditionStatus.False, "KubeletNotReady", problem);
        condition.LastTransitionTime = Transition(old, condition, now);
        return condition;
    }

    private static NodeCondition Condition(
        Api.Models.Core.V1.NodeStatus? old, string type, string? problem, DateTimeOffset now, string badReason, string goodReason, string goodMessage)
    {
        var condition = new NodeCondition
        {
            Type = type,
            Status = problem is null ? ConditionStatus.False : ConditionStatus.True,
            Reason = problem is null ? goodReason : badReason,
            Message = problem ?? goodMessage,
            LastHeartbeatTime = now,
        };
        condition.LastTransitionTime = Transition(old, condition, now);
        return condition;
    }

    private static DateTimeOffset Transition(Api.Models.Core.V1.NodeStatus? old, NodeCondition condition, DateTimeOffset now) =>
        old?.Conditions?.FirstOrDefault(c => c.Type == condition.Type) is { } before && before.Status == condition.Status
            ? before.LastTransitionTime ?? now
            : now;

    private Dictionary<string, Quantity> Resources(long memory, long disk) => new(StringComparer.Ordinal)
    {
        [ResourceName.Cpu] = machine.MilliCpu % 1000 == 0
            ? (machine.MilliCpu / 1000).ToString(CultureInfo.InvariantCulture)
            : machine.MilliCpu.ToString(CultureInfo.InvariantCulture) + "m",
        [ResourceName.Memory] = (memory / 1024).ToString(CultureInfo.InvariantCulture) + "Ki",
        [ResourceName.EphemeralStorage] = (disk / 1024).ToString(CultureInfo.InvariantCulture) + "Ki",
        [ResourceName.Pods] = options.MaxPods.ToString(CultureInfo.InvariantCulture),
    };
}
