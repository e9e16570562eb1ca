using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests.Plugins;

public sealed class FilterTests
{
    private const string OneNode = "0/1 nodes are available: ";
    private const string NotHelpful = " preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    private const string NoVictims = " preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";

    private static readonly Toleration[] Tolerate = [new() { Key = "gpu", Operator = "Exists" }];

    public static TheoryData<string, Node, Pod, string?> Cases() => new()
    {
        { "room", Node("n"), Pod("p", cpu: "4"), null },
        { "too much cpu", Node("n"), Pod("p", cpu: "4001m"), "1 Insufficient cpu." + NotHelpful },
        { "too much of two", Node("n"), Pod("p", "5", "9Gi"), "1 Insufficient cpu, 1 Insufficient memory." + NotHelpful },
        { "no room for pods", Node("n", pods: 0), Pod("p"), "1 Too many pods." + NoVictims },
        { "extended resource", Node("n"), Extended(Pod("p")), "1 Insufficient example.com/gpu." + NotHelpful },
        { "extended resource there", Node("n").With(n => n.Status!.Allocatable!["example.com/gpu"] = "1"), Extended(Pod("p")), null },
        { "taint", Tainted("NoSchedule"), Pod("p"), "1 node(s) had untolerated taint {gpu: yes}." + NotHelpful },
        { "tolerated taint", Tainted("NoExecute"), Pod("p").With(s => s.Tolerations = [.. Tolerate]), null },
        { "wrong toleration", Tainted("NoSchedule"), Pod("p").With(s => s.Tolerations = [new() { Key = "gpu", Value = "no" }]), "1 node(s) had untolerated taint {gpu: yes}." + NotHelpful },
        { "soft taint", Tainted("PreferNoSchedule"), Pod("p"), null },
        { "cordoned", Node("n").With(n => n.Spec!.Unschedulable = true), Pod("p"), "1 node(s) were unschedulable." + NotHelpful },
        {
            "cordoned and tolerated",
            Node("n").With(n => n.Spec!.Unschedulable = true),
            Pod("p").With(s => s.Tolerations = [new() { Key = "node.kubernetes.io/unschedulable", Operator = "Exists" }]),
            null
        },
        { "node selector", Node("n"), Pod("p").With(s => s.NodeSelector = new() { ["disk"] = "ssd" }), "1 node(s) didn't match Pod's node affinity/selector." + NotHelpful },
        { "matching node selector", Node("n", labels: ("disk", "ssd")), Pod("p").With(s => s.NodeSelector = new() { ["disk"] = "ssd" }), null },
        { "affinity In", Node("n", labels: ("cpu", "9")), Affine("cpu", "In", "8", "9"), null },
        { "affinity Gt", Node("n", labels: ("cpu", "9")), Affine("cpu", "Gt", "8"), null },
        { "affinity Gt of equal", Node("n", labels: ("cpu", "8")), Affine("cpu", "Gt", "8"), "1 node(s) didn't match Pod's node affinity/selector." + NotHelpful },
        { "affinity NotIn of absent", Node("n"), Affine("cpu", "NotIn", "8"), null },
        { "affinity DoesNotExist", Node("n", labels: ("cpu", "8")), Affine("cpu", "DoesNotExist"), "1 node(s) didn't match Pod's node affinity/selector." + NotHelpful },
        { "spread over a label nobody has", Node("n"), Pod("p").WithSpread("rack", Selector("app", "x")), "1 node(s) didn't match pod topology spread constraints (missing required label)." + NotHelpful },
        { "affinity to nobody", Node("n"), Pod("p").WithAffinity(Hostname, Selector("app", "x")), "1 node(s) didn't match pod affinity rules." + NotHelpful },
        { "affinity to itself", Node("n"), Pod("p", labels: ("app", "x")).WithAffinity(Hostname, Selector("app", "x")), null },
    };

    [Theory]
    [MemberData(nameof(Cases), DisableDiscoveryEnumeration = true)]
    public void A_pod_alone_meets_a_node(string name, Node node, Pod pod, string? why)
    {
        using var simulation = new Simulation().Add(node).Add(pod).Run();

        Assert.Equal(why is null ? null : OneNode + why, simulation.WhyPending("p"));
        Assert.True(simulation.Bound.ContainsKey("p") == (why is null), name);
    }

    [Fact]
    public void Reasons_are_counted_over_nodes_and_sorted()
    {
        using var simulation = new Simulation()
            .Add(Tainted("NoSchedule"), Node("small", cpu: "1"), Node("n2").With(n => n.Spec!.Taints = [new() { Key = "gpu", Value = "yes", Effect = "NoExecute" }]))
            .Add(Pod("p", cpu: "2"))
            .Run();

        Assert.Equal(
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {gpu: yes}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            simulation.WhyPending("p"));
        Assert.Contains(simulation.Events, e => e is { Pod: "p", Reason: "FailedScheduling" });
        Assert.Equal("Unschedulable", simulation.Conditions["p"].Reason);
    }

    [Fact]
    public void Without_nodes_the_message_says_so()
    {
        using var simulation = new Simulation().Add(Pod("p")).Run();

        Assert.Equal("no nodes available to schedule pods", simulation.WhyPending("p"));
    }

    [Fact]
    public void A_daemon_pod_goes_to_its_node_and_only_there()
    {
        var pod = Pod("p").With(s => s.Affinity = new Affinity
        {
            NodeAffinity = Required(new NodeSelectorTerm { MatchFields = [new() { Key = "metadata.name", Operator = "In", Values = ["b"] }] }),
        });
        using var simulation = new Simulation().Add(Node("a"), Node("b"), Node("c")).Add(pod).Run();
        Assert.Equal("b", simulation.Bound["p"]);

        using var full = new Simulation().Add(Node("a"), Node("b", pods: 0)).Add(pod).Run();
        Assert.StartsWith("0/2 nodes are available: 1 Too many pods, 1 node(s) didn't satisfy plugin(s) [NodeAffinity].", full.WhyPending("p"), StringComparison.Ordinal);
    }

    [Fact]
    public void Host_ports_are_taken_once_per_address_and_protocol()
    {
        using var simulation = new Simulation().Add(Node("n"));
        simulation.Add(Port("a", 80), Port("b", 80, "UDP"), Port("c", 81, ip: "10.0.0.1"), Port("d", 81, ip: "10.0.0.2"), Port("e", 81)).Run();

        Assert.Equal(["a", "b", "c", "d"], simulation.Bound.Keys.Order());
        Assert.StartsWith(OneNode + "1 node(s) didn't have free ports for the requested pod ports.", simulation.WhyPending("e"), StringComparison.Ordinal);
    }

    [Fact]
    public void Init_containers_sidecars_and_overhead_count_as_they_run()
    {
        var pod = Pod("p", cpu: "1").With(s =>
        {
            s.InitContainers = [Init("sidecar", "500m", always: true), Init("first", "2", always: false), Init("late-sidecar", "250m", always: true)];
            s.Overhead = new() { ["cpu"] = "10m" };
        });

        // Running: 1 + 0.5 + 0.25; starting: 2 beside the first sidecar; overhead on top of the larger.
        Assert.Equal(2510, new Scheduler.Framework.PodInfo(pod).Requests.MilliCpu);
    }

    private static Node Tainted(string effect) => Node("n").With(n => n.Spec!.Taints = [new() { Key = "gpu", Value = "yes", Effect = effect }]);

    private static Pod Extended(Pod pod) => pod.With(s => s.Containers![0].Resources!.Requests!["example.com/gpu"] = "1");

    private static NodeAffinity Required(NodeSelectorTerm term) =>
        new() { RequiredDuringSchedulingIgnoredDuringExecution = new NodeSelector { NodeSelectorTerms = [term] } };

    private static Pod Affine(string key, string op, params string[] values) => Pod("p").With(s => s.Affinity = new Affinity
    {
        NodeAffinity = Required(new NodeSelectorTerm { MatchExpressions = [new() { Key = key, Operator = op, Values = [.. values] }] }),
    });

    private static Pod Port(string name, int port, string protocol = "TCP", string? ip = null) => Pod(name).With(s =>
        s.Containers![0].Ports = [new ContainerPort { HostPort = port, Protocol = protocol, HostIP = ip }]);

    private static Container Init(string name, string cpu, bool always) => new()
    {
        Name = name,
        RestartPolicy = always ? "Always" : null,
        Resources = new ResourceRequirements { Requests = new() { ["cpu"] = cpu } },
    };
}
