using Trireme.Api;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Controllers.Tests;

/// <summary>Objects as the API would hold them after defaulting.</summary>
internal static class Objects
{
    public const string Ns = "default";

    public static Dictionary<string, string> Web => new() { ["app"] = "web" };

    public static PodTemplateSpec Template(string image = "web:1") => new()
    {
        Metadata = new ObjectMeta { Labels = Web },
        Spec = new PodSpec { Containers = [new Container { Name = "web", Image = image }] },
    };

    public static Deployment Deployment(int replicas, string name = "web", IntOrString? surge = null, IntOrString? unavailable = null) => new()
    {
        Metadata = new ObjectMeta { Namespace = Ns, Name = name },
        Spec = new DeploymentSpec
        {
            Replicas = replicas,
            Selector = new LabelSelector { MatchLabels = Web },
            Template = Template(),
            Strategy = new DeploymentStrategy
            {
                Type = "RollingUpdate",
                RollingUpdate = new RollingUpdateDeployment { MaxSurge = surge ?? "25%", MaxUnavailable = unavailable ?? "25%" },
            },
            ProgressDeadlineSeconds = 600,
            RevisionHistoryLimit = 10,
        },
    };

    public static ReplicaSet ReplicaSet(int replicas, string name = "web") => new()
    {
        Metadata = new ObjectMeta { Namespace = Ns, Name = name },
        Spec = new ReplicaSetSpec { Replicas = replicas, Selector = new LabelSelector { MatchLabels = Web }, Template = Template() },
    };

    public static Pod Pod(string name, string? ip = null, bool ready = true, string? node = "n1", Dictionary<string, string>? labels = null) => new()
    {
        Metadata = new ObjectMeta { Namespace = Ns, Name = name, Labels = labels ?? Web },
        Spec = new PodSpec { NodeName = node, Containers = [new Container { Name = "web", Image = "web:1" }] },
        Status = new PodStatus
        {
            Phase = "Running",
            StartTime = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero),
            PodIP = ip,
            Conditions = [new PodCondition { Type = "Ready", Status = ready ? "True" : "False", LastTransitionTime = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero) }],
        },
    };

    public static Node Node(string name, string ready = "True") => new()
    {
        Metadata = new ObjectMeta { Name = name },
        Spec = new NodeSpec(),
        Status = new NodeStatus { Conditions = [new NodeCondition { Type = "Ready", Status = ready, Reason = "KubeletReady" }] },
    };

    public static Service Service(string name = "web") => new()
    {
        Metadata = new ObjectMeta { Namespace = Ns, Name = name },
        Spec = new ServiceSpec
        {
            ClusterIP = "10.96.0.20",
            Selector = Web,
            Ports = [new ServicePort { Name = "http", Port = 80, TargetPort = 8080, Protocol = "TCP" }],
        },
    };
}
