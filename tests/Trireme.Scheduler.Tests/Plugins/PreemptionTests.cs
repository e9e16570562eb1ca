using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Policy.V1;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests.Plugins;

public sealed class PreemptionTests
{
    [Fact]
    public void A_bug_while_room_is_made_does_not_lose_the_pod()
    {
        using var simulation = new Simulation().Add(Node("n", cpu: "1")).Add(Pod("low", cpu: "1")).Run();
        simulation.Lister.BudgetFailure = new InvalidOperationException("a bug");
        simulation.Add(Pod("high", cpu: "1", priority: 10)).Run();
        Assert.Equal("a bug", simulation.WhyPending("high"));
        Assert.Equal((0, 1, 0, 0), simulation.Queue.Counts);

        simulation.Lister.BudgetFailure = null;
        simulation.Time.Advance(TimeSpan.FromSeconds(1));
        simulation.Run();
        simulation.Time.Advance(TimeSpan.FromSeconds(10));
        simulation.Run();
        Assert.Equal("n", simulation.Bound["high"]);
    }

    [Fact]
    public void The_least_important_pods_that_suffice_make_room()
    {
        using var simulation = new Simulation().Add(Node("a", cpu: "4"), Node("b", cpu: "4"));
        simulation.Add(
            Pod("a-high", "2", priority: 50, node: "a"), Pod("a-low", "2", priority: 1, node: "a"),
            Pod("b-high", "2", priority: 50, node: "b"), Pod("b-mid", "2", priority: 20, node: "b"));
        simulation.Add(Pod("urgent", "2", priority: 100)).Run();

        Assert.Equal(["a-low"], simulation.Preempted);
        Assert.Contains(simulation.Events, e => e is { Pod: "a-low", Reason: "Preempted", Message: "Preempted by pod uid-urgent on node a" });
        Assert.Equal("a", simulation.Pod("urgent").Status!.NominatedNodeName);

        // The victim is gone; after the back-off the pod takes the room that was made for it.
        simulation.Time.Advance(TimeSpan.FromSeconds(1));
        simulation.Run();
        Assert.Equal("a", simulation.Bound["urgent"]);
    }

    [Fact]
    public void The_room_is_kept_from_less_important_pods()
    {
        using var simulation = new Simulation().Add(Node("a", cpu: "4"));
        simulation.Add(Pod("low", "4", node: "a"), Pod("urgent", "4", priority: 100)).Run();
        simulation.Add(Pod("late", "1")).Run();

        Assert.Empty(simulation.Bound);
        simulation.Time.Advance(TimeSpan.FromSeconds(10));
        simulation.Run();
        Assert.Equal("a", simulation.Bound["urgent"]);
        Assert.DoesNotContain("late", simulation.Bound.Keys);
    }

    [Fact]
    public void Equals_are_not_preempted()
    {
        using var simulation = new Simulation().Add(Node("a", cpu: "4"));
        simulation.Add(Pod("other", "4", priority: 100, node: "a"), Pod("p", "4", priority: 100)).Run();

        Assert.Empty(simulation.Preempted);
        Assert.Equal(
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
            simulation.WhyPending("p"));
    }

    [Fact]
    public void A_pod_that_must_not_preempt_does_not()
    {
        using var simulation = new Simulation().Add(Node("a", cpu: "4"));
        simulation.Add(Pod("low", "4", node: "a"), Pod("p", "4", priority: 100).With(s => s.PreemptionPolicy = "Never")).Run();

        Assert.Empty(simulation.Preempted);
        Assert.EndsWith("preemption: not eligible due to preemptionPolicy=Never.", simulation.WhyPending("p"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_whose_victims_have_a_budget_left_is_preferred()
    {
        using var simulation = new Simulation().Add(Node("a", cpu: "4"), Node("b", cpu: "4"));
        simulation.Lister.Budgets.Add(new PodDisruptionBudget
        {
            Spec = new PodDisruptionBudgetSpec { Selector = Selector("app", "guarded") },
            Status = new PodDisruptionBudgetStatus { DisruptionsAllowed = 0 },
        });
        simulation.Add(
            Pod("guarded", "4", priority: 1, node: "a", labels: ("app", "guarded")),
            Pod("free", "4", priority: 10, node: "b", labels: ("app", "free")),
            Pod("urgent", "4", priority: 100)).Run();

        Assert.Equal(["free"], simulation.Preempted);
    }

    [Fact]
    public void A_victim_is_spared_when_the_pod_fits_beside_it()
    {
        using var simulation = new Simulation().Add(Node("a", cpu: "4"));
        simulation.Add(
            Pod("small", "1", priority: 1, node: "a"), Pod("large", "3", priority: 1, node: "a"), Pod("urgent", "3", priority: 100)).Run();

        Assert.Equal(["large"], simulation.Preempted);
    }

    [Fact]
    public void Anti_affinity_is_resolved_by_evicting_who_stands_against_it()
    {
        using var simulation = new Simulation().Add(Node("a"));
        simulation.Add(Pod("foe", node: "a", labels: ("app", "x")), Pod("bystander", node: "a"));
        simulation.Add(Pod("urgent", priority: 100).WithAntiAffinity(Hostname, Selector("app", "x"))).Run();

        Assert.Equal(["foe"], simulation.Preempted);
    }

    [Fact]
    public void While_a_victim_is_still_ending_no_further_one_is_chosen()
    {
        using var simulation = new Simulation().Add(Node("a", cpu: "4"));
        var ending = Pod("ending", "2", node: "a");
        ending.Metadata.DeletionTimestamp = DateTimeOffset.UnixEpoch;
        var urgent = Pod("urgent", "4", priority: 100);
        urgent.Status = new PodStatus { NominatedNodeName = "a" };
        simulation.Add(ending, Pod("other", "2", node: "a"), urgent).Run();

        Assert.Empty(simulation.Preempted);
        Assert.EndsWith("preemption: not eligible due to a terminating pod on the nominated node.", simulation.WhyPending("urgent"), StringComparison.Ordinal);
    }
}
