using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Framework;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests.Plugins;

/// <summary>Topology spread, affinity and anti-affinity between pods.</summary>
public sealed class PodTopologyTests
{
    private static readonly Node[] ThreeZones = [Node("a1", zone: "a"), Node("a2", zone: "a"), Node("b1", zone: "b"), Node("c1", zone: "c")];

    [Fact]
    public void A_pod_that_is_relabelled_out_of_what_refused_it_is_tried_again()
    {
        using var simulation = new Simulation().Add(Node("n", zone: "z"), Node("m").With(m => m.Spec!.Unschedulable = true));
        simulation.Add(Pod("there", node: "n").WithAntiAffinity(Hostname, Selector("app", "x")), Pod("p", labels: ("app", "x"))).Run();
        Assert.Equal((0, 0, 1, 0), simulation.Queue.Counts);
        simulation.Time.Advance(TimeSpan.FromSeconds(10));

        simulation.Add(Pod("p", labels: ("app", "y"))).Run();
        Assert.Equal("n", simulation.Bound["p"]);
    }

    [Fact]
    public void A_pod_that_is_relabelled_out_of_its_own_spread_is_tried_again()
    {
        using var simulation = new Simulation().Add(Node("n", zone: "z1"), Node("full", zone: "z2", pods: 0));
        simulation.Add(Pod("there", node: "n", labels: ("app", "x")), Pod("p", labels: ("app", "x")).WithSpread(Zone, Selector("app", "x"))).Run();
        Assert.Equal((0, 0, 1, 0), simulation.Queue.Counts);
        simulation.Time.Advance(TimeSpan.FromSeconds(10));

        simulation.Add(Pod("p", labels: ("app", "y")).WithSpread(Zone, Selector("app", "x"))).Run();
        Assert.Equal("n", simulation.Bound["p"]);
    }

    [Fact]
    public void Any_number_of_anti_affinity_terms_counts()
    {
        var pod = Pod("p").WithAntiAffinity(Hostname, Selector("app", "other"));
        var terms = pod.Spec!.Affinity!.PodAntiAffinity!.RequiredDuringSchedulingIgnoredDuringExecution!;
        terms.AddRange(Enumerable.Range(0, 80).Select(i => new PodAffinityTerm { TopologyKey = Hostname, LabelSelector = Selector("app", i is 63 or 79 ? "x" : "other") }));
        using var simulation = new Simulation().Add(Node("a"), Node("b")).Add(Pod("there", node: "a", labels: ("app", "x")), pod).Run();

        Assert.Equal("b", simulation.Bound["p"]);
    }

    [Fact]
    public void Replicas_spread_evenly_over_zones()
    {
        using var simulation = new Simulation().Add(ThreeZones);
        simulation.Add([.. Enumerable.Range(0, 9).Select(i => Pod($"p{i}", labels: ("app", "x")).WithSpread(Zone, Selector("app", "x")))]).Run();

        Assert.Equal([3, 3, 3], simulation.Bound.Values.GroupBy(n => n[0]).Select(g => g.Count()));
    }

    [Fact]
    public void A_full_zone_stops_the_others_when_the_skew_is_reached()
    {
        using var simulation = new Simulation().Add(Node("a", zone: "a"), Node("b", zone: "b", pods: 1));
        simulation.Add([.. Enumerable.Range(0, 4).Select(i => Pod($"p{i}", labels: ("app", "x")).WithSpread(Zone, Selector("app", "x")))]).Run();

        Assert.Equal(3, simulation.Bound.Count);
        Assert.StartsWith(
            "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints.",
            simulation.Conditions.Values.Single().Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Fewer_domains_than_wanted_count_as_an_empty_one()
    {
        using var simulation = new Simulation().Add(Node("a", zone: "a"), Node("b", zone: "b"));
        simulation.Add([.. Enumerable.Range(0, 3).Select(i =>
            Pod($"p{i}", labels: ("app", "x")).WithSpread(Zone, Selector("app", "x"), change: c => c.MinDomains = 3))]).Run();

        Assert.Equal(2, simulation.Bound.Count);
    }

    [Fact]
    public void Match_label_keys_count_only_the_same_revision()
    {
        using var simulation = new Simulation().Add(Node("a", zone: "a"), Node("b", zone: "b"));
        simulation.Add(Pod("old1", node: "a", labels: [("app", "x"), ("rev", "1")]), Pod("old2", node: "a", labels: [("app", "x"), ("rev", "1")]));
        simulation.Add([.. Enumerable.Range(0, 2).Select(i => Pod($"new{i}", labels: [("app", "x"), ("rev", "2")])
            .WithSpread(Zone, Selector("app", "x"), change: c => c.MatchLabelKeys = ["rev"]))]).Run();

        Assert.Equal(["a", "b"], new[] { simulation.Bound["new0"], simulation.Bound["new1"] }.Order());
    }

    [Theory]
    [InlineData("Ignore", 2)]
    [InlineData("Honor", 4)]
    public void Tainted_domains_hold_others_back_unless_left_out(string policy, int bound)
    {
        var tainted = Node("b", zone: "b").With(n => n.Spec!.Taints = [new() { Key = "k", Effect = "NoSchedule" }]);
        using var simulation = new Simulation().Add(Node("a", zone: "a"), tainted);
        simulation.Add([.. Enumerable.Range(0, 4).Select(i => Pod($"p{i}", labels: ("app", "x"))
            .WithSpread(Zone, Selector("app", "x"), maxSkew: 2, change: c => c.NodeTaintsPolicy = policy))]).Run();

        Assert.Equal(bound, simulation.Bound.Count);
    }

    [Fact]
    public void Pods_of_a_service_spread_by_default_over_zones_and_hosts()
    {
        using var simulation = new Simulation().Add(ThreeZones);
        simulation.Lister.Selector = _ => LabelMatcher.OfLabels(new() { ["app"] = "x" });
        simulation.Add([.. Enumerable.Range(0, 6).Select(i => Pod($"p{i}", labels: ("app", "x")))]).Run();

        Assert.Equal([2, 2, 2], simulation.Bound.Values.GroupBy(n => n[0]).Select(g => g.Count()));
    }

    [Fact]
    public void Anti_affinity_holds_in_both_directions()
    {
        using var simulation = new Simulation().Add(Node("a"), Node("b"));
        simulation.Add(Pod("guard", labels: ("app", "guard")).WithAntiAffinity(Hostname, Selector("app", "noisy"))).Run();
        simulation.Add(Pod("noisy1", labels: ("app", "noisy")), Pod("noisy2", labels: ("app", "noisy"))).Run();

        // The noisy pods say nothing about the guard, yet keep away from it.
        Assert.NotEqual(simulation.Bound["guard"], simulation.Bound["noisy1"]);
        Assert.Equal(simulation.Bound["noisy1"], simulation.Bound["noisy2"]);
        simulation.Add(Pod("guard2").WithAntiAffinity(Hostname, Selector("app", "noisy"))).Run();
        Assert.Equal(simulation.Bound["guard"], simulation.Bound["guard2"]);
    }

    [Fact]
    public void One_replica_per_host_leaves_the_surplus_pending()
    {
        using var simulation = new Simulation().Add(Node("a"), Node("b"));
        simulation.Add([.. Enumerable.Range(0, 3).Select(i => Pod($"p{i}", labels: ("app", "x")).WithAntiAffinity(Hostname, Selector("app", "x")))]).Run();

        Assert.Equal(["a", "b"], simulation.Bound.Values.Order());
        Assert.StartsWith(
            "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.", simulation.Conditions.Values.Single().Message, StringComparison.Ordinal);

        // A third node is what it was waiting for.
        simulation.Add(Node("c"));
        simulation.Time.Advance(TimeSpan.FromSeconds(1));
        simulation.Run();
        Assert.Equal(["a", "b", "c"], simulation.Bound.Values.Order());
    }

    [Fact]
    public void Affinity_follows_the_zone_of_the_other()
    {
        using var simulation = new Simulation().Add(ThreeZones);
        simulation.Add(Pod("db", node: "b1", labels: ("app", "db")));
        simulation.Add(Pod("web").WithAffinity(Zone, Selector("app", "db"))).Run();

        Assert.Equal("b1", simulation.Bound["web"]);
    }

    [Fact]
    public void Namespaces_are_chosen_by_their_labels()
    {
        using var simulation = new Simulation().Add(Node("a"), Node("b"));
        simulation.Lister.Namespaces["prod"] = new() { ["stage"] = "prod" };
        var db = Pod("db", node: "b", labels: ("app", "db"));
        db.Metadata.Namespace = "prod";
        var web = Pod("web").WithAffinity(Hostname, Selector("app", "db"));
        web.Spec!.Affinity!.PodAffinity!.RequiredDuringSchedulingIgnoredDuringExecution![0].NamespaceSelector = Selector("stage", "prod");
        simulation.Add(db, web, Pod("stranger").WithAffinity(Hostname, Selector("app", "db"))).Run();

        Assert.Equal("b", simulation.Bound["web"]);
        Assert.False(simulation.Bound.ContainsKey("stranger"));
    }

    [Fact]
    public void Preferred_affinity_attracts_and_preferred_anti_affinity_repels()
    {
        using var simulation = new Simulation().Add(Node("a"), Node("b"), Node("c"));
        simulation.Add(Pod("friend", node: "b", labels: ("app", "friend")), Pod("foe", node: "c", labels: ("app", "foe")));
        var toFriend = new WeightedPodAffinityTerm { Weight = 50, PodAffinityTerm = new() { TopologyKey = Hostname, LabelSelector = Selector("app", "friend") } };
        var toFoe = new WeightedPodAffinityTerm { Weight = 50, PodAffinityTerm = new() { TopologyKey = Hostname, LabelSelector = Selector("app", "foe") } };
        simulation.Add(Pod("p").With(s => s.Affinity = new Affinity
        {
            PodAffinity = new PodAffinity { PreferredDuringSchedulingIgnoredDuringExecution = [toFriend] },
        })).Run();
        simulation.Add(Pod("q").With(s => s.Affinity = new Affinity
        {
            PodAntiAffinity = new PodAntiAffinity { PreferredDuringSchedulingIgnoredDuringExecution = [toFoe] },
        })).Run();

        Assert.Equal("b", simulation.Bound["p"]);
        Assert.NotEqual("c", simulation.Bound["q"]);
    }
}
