using Trireme.Api;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Scheduler.Tests;

/// <summary>Short ways to write the objects that tests are about.</summary>
internal static class Objects
{
    public const string Zone = "topology.kubernetes.io/zone";
    public const string Hostname = "kubernetes.io/hostname";

    public static Node Node(string name, string cpu = "4", string memory = "8Gi", int pods = 110, string? zone = null, params (string Key, string Value)[] labels)
    {
        var node = new Node
        {
            Metadata = new ObjectMeta { Name = name, Labels = labels.ToDictionary(l => l.Key, l => l.Value) },
            Spec = new NodeSpec(),
            Status = new NodeStatus { Allocatable = new() { ["cpu"] = cpu, ["memory"] = memory, ["pods"] = pods.ToString() } },
        };
        node.Metadata.Labels[Hostname] = name;
        if (zone is not null)
        {
            node.Metadata.Labels[Zone] = zone;
        }

        return node;
    }

    public static Pod Pod(string name, string? cpu = null, string? memory = null, int priority = 0, string? node = null, params (string Key, string Value)[] labels)
    {
        var requests = new Dictionary<string, Quantity>();
        if (cpu is not null)
        {
            requests["cpu"] = cpu;
        }

        if (memory is not null)
        {
            requests["memory"] = memory;
        }

        return new Pod
        {
            Metadata = new ObjectMeta { Name = name, Namespace = "default", Uid = $"uid-{name}", Labels = labels.ToDictionary(l => l.Key, l => l.Value) },
            Spec = new PodSpec
            {
                NodeName = node,
                Priority = priority,
                SchedulerName = "default-scheduler",
                Containers = [new Container { Name = "main", Image = "registry/app", Resources = new ResourceRequirements { Requests = requests } }],
            },
            Status = new PodStatus { Phase = "Pending" },
        };
    }

    public static PersistentVolume Volume(string name, string size = "1Gi", string? node = null, string storageClass = "local") => new()
    {
        Metadata = new ObjectMeta { Name = name, Uid = $"uid-{name}" },
        Spec = new PersistentVolumeSpec
        {
            Capacity = new() { ["storage"] = size },
            AccessModes = ["ReadWriteOnce"],
            StorageClassName = storageClass,
            NodeAffinity = node is null ? null : new VolumeNodeAffinity
            {
                Required = new NodeSelector { NodeSelectorTerms = [new NodeSelectorTerm { MatchExpressions = [new() { Key = Hostname, Operator = "In", Values = [node] }] }] },
            },
        },
    };

    public static PersistentVolumeClaim Claim(string name, string size = "1Gi", string storageClass = "local") => new()
    {
        Metadata = new ObjectMeta { Name = name, Namespace = "default", Uid = $"uid-{name}" },
        Spec = new PersistentVolumeClaimSpec
        {
            AccessModes = ["ReadWriteOnce"],
            StorageClassName = storageClass,
            Resources = new VolumeResourceRequirements { Requests = new() { ["storage"] = size } },
        },
    };

    public static Pod WithClaim(this Pod pod, string claim) => pod.With(s =>
        (s.Volumes ??= []).Add(new Volume { Name = claim, PersistentVolumeClaim = new PersistentVolumeClaimVolumeSource { ClaimName = claim } }));

    public static Pod With(this Pod pod, Action<PodSpec> change)
    {
        change(pod.Spec!);
        return pod;
    }

    public static Node With(this Node node, Action<Node> change)
    {
        change(node);
        return node;
    }

    public static LabelSelector Selector(string key, string value) => new() { MatchLabels = new() { [key] = value } };

    public static Pod WithAntiAffinity(this Pod pod, string topologyKey, LabelSelector selector) => pod.With(s =>
    {
        s.Affinity ??= new Affinity();
        s.Affinity.PodAntiAffinity = new PodAntiAffinity
        {
            RequiredDuringSchedulingIgnoredDuringExecution = [new PodAffinityTerm { TopologyKey = topologyKey, LabelSelector = selector }],
        };
    });

    public static Pod WithAffinity(this Pod pod, string topologyKey, LabelSelector selector) => pod.With(s =>
    {
        s.Affinity ??= new Affinity();
        s.Affinity.PodAffinity = new PodAffinity
        {
            RequiredDuringSchedulingIgnoredDuringExecution = [new PodAffinityTerm { TopologyKey = topologyKey, LabelSelector = selector }],
        };
    });

    public static Pod WithSpread(
        this Pod pod, string topologyKey, LabelSelector selector, int maxSkew = 1, bool required = true, Action<TopologySpreadConstraint>? change = null) => pod.With(s =>
    {
        var constraint = new TopologySpreadConstraint
        {
            MaxSkew = maxSkew,
            TopologyKey = topologyKey,
            LabelSelector = selector,
            WhenUnsatisfiable = required ? "DoNotSchedule" : "ScheduleAnyway",
        };
        change?.Invoke(constraint);
        (s.TopologySpreadConstraints ??= []).Add(constraint);
    });
}
