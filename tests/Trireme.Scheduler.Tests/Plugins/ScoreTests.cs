using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Plugins.NodeResources;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests.Plugins;

public sealed class ScoreTests
{
    [Theory]
    [InlineData("0", "0", 100)] // explicit zeros are taken at their word
    [InlineData("1", "4Gi", 62)] // (75 + 50) / 2
    [InlineData("4", "8Gi", 0)]
    public void Least_allocated_prefers_what_stays_free(string cpu, string memory, long score) =>
        Assert.Equal(score, new FitPlugin().Score(new CycleState(), new PodInfo(Pod("p", cpu, memory)), new NodeInfo("n", Node("n"))));

    [Theory]
    [InlineData("2", "4Gi", 100)] // half of both
    [InlineData("4", "0", 50)] // all of one, nothing of the other
    [InlineData("1", "4Gi", 87)] // a quarter and a half
    public void Balanced_allocation_prefers_like_shares(string cpu, string memory, long score) =>
        Assert.Equal(score, new BalancedAllocationPlugin().Score(new CycleState(), new PodInfo(Pod("p", cpu, memory)), new NodeInfo("n", Node("n"))));

    [Fact]
    public void The_emptier_node_is_chosen()
    {
        using var simulation = new Simulation().Add(Node("a"), Node("b"));
        simulation.Add(Pod("busy", "2", "2Gi", node: "a"), Pod("p", "1", "1Gi")).Run();

        Assert.Equal("b", simulation.Bound["p"]);
    }

    [Fact]
    public void Soft_taints_repel()
    {
        using var simulation = new Simulation().Add(Node("a").With(n => n.Spec!.Taints = [new() { Key = "k", Effect = "PreferNoSchedule" }]), Node("b"));
        simulation.Add(Pod("p")).Run();

        Assert.Equal("b", simulation.Bound["p"]);
    }

    [Fact]
    public void Preferred_node_terms_attract_by_weight()
    {
        using var simulation = new Simulation().Add(Node("a", labels: ("disk", "hdd")), Node("b", labels: ("disk", "ssd")), Node("c"));
        simulation.Add(Pod("p").With(s => s.Affinity = new Affinity
        {
            NodeAffinity = new NodeAffinity { PreferredDuringSchedulingIgnoredDuringExecution = [Prefer("hdd", 10), Prefer("ssd", 90)] },
        })).Run();

        Assert.Equal("b", simulation.Bound["p"]);

        static PreferredSchedulingTerm Prefer(string disk, int weight) => new()
        {
            Weight = weight,
            Preference = new NodeSelectorTerm { MatchExpressions = [new() { Key = "disk", Operator = "In", Values = [disk] }] },
        };
    }

    [Fact]
    public void A_node_that_has_the_image_is_preferred()
    {
        var image = new ContainerImage { Names = ["registry/app:latest"], SizeBytes = 900L << 20 };
        using var simulation = new Simulation().Add(Node("a"), Node("b").With(n => n.Status!.Images = [image]));
        simulation.Add(Pod("p", "100m", "1Mi")).Run();

        Assert.Equal("b", simulation.Bound["p"]);
    }

    [Theory]
    [InlineData(10, 0, 10)]
    [InlineData(99, 50, 99)]
    [InlineData(100, 0, 100)]
    [InlineData(500, 0, 230)] // 50 - 500/125 = 46 percent
    [InlineData(5000, 0, 500)] // 10 percent
    [InlineData(10000, 0, 500)] // not below 5 percent
    [InlineData(1000, 30, 300)]
    [InlineData(1000, 1, 100)]
    [InlineData(1000, 100, 1000)]
    public void Enough_nodes_are_found_before_all_are_looked_at(int nodes, int percentage, int wanted) =>
        Assert.Equal(wanted, ScheduleOne.NumFeasibleNodesToFind(percentage, nodes));

    [Fact]
    public void Groups_count_pods_as_one_by_one_counting_does()
    {
        var node = new NodeInfo("n", Node("n"));
        for (var i = 0; i < 6; i++)
        {
            node.AddPod(new PodInfo(Pod($"p{i}", labels: ("app", i % 2 == 0 ? "even" : "odd"))));
        }

        node.RemovePod("uid-p0");
        var constraint = SpreadConstraint.Of(new TopologySpreadConstraint { LabelSelector = Selector("app", "even") }, Pod("x"));
        Assert.Equal(2, constraint.CountOn(node, "default"));
        Assert.Equal(0, constraint.CountOn(node, "other"));
        Assert.Equal(2, node.PodGroups.Length);
        Assert.Same(node, Snapshot.Of([node]).Find("n"));
    }
}
