using CsCheck;
using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests;

public sealed class SchedulerProperties
{
    private static readonly Gen<(int Kind, int Which, int Amount)> Step = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 11], Gen.Int[1, 8]);

    [Fact]
    public void Nodes_are_never_overcommitted_and_cache_and_cluster_agree() =>
        Step.Array[1, 60].Sample(steps =>
        {
            using var simulation = new Simulation(seed: steps.Length);
            simulation.Add(Node("n0", cpu: "4", pods: 4), Node("n1", cpu: "8", pods: 4), Node("n2", cpu: "2", pods: 10));
            foreach (var (kind, which, amount) in steps)
            {
                Apply(simulation, kind, $"p{which}", amount);
                simulation.Run();
                AssertNotOvercommitted(simulation);
            }
        });

    [Fact]
    public void The_skew_between_zones_stays_within_its_bound() =>
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 30], Gen.Int[1, 6].Array[3]).Sample((maxSkew, replicas, capacities) =>
        {
            using var simulation = new Simulation(seed: replicas);
            for (var i = 0; i < 3; i++)
            {
                simulation.Add(Node($"n{i}", zone: $"z{i}", pods: capacities[i]));
            }

            simulation.Add([.. Enumerable.Range(0, replicas)
                .Select(i => Pod($"p{i}", labels: ("app", "x")).WithSpread(Zone, Selector("app", "x"), maxSkew))]).Run();
            var counts = Enumerable.Range(0, 3).Select(i => simulation.Bound.Values.Count(n => n == $"n{i}")).ToList();

            Assert.True(counts.Max() - counts.Min() <= maxSkew, $"skew of {string.Join(',', counts)}");

            // Not because it had given up early: the smallest zone bounds the others.
            Assert.Equal(Math.Min(replicas, capacities.Sum(c => Math.Min(c, capacities.Min() + maxSkew))), counts.Sum());
        });

    [Fact]
    public void An_incremental_snapshot_equals_one_made_anew() =>
        Step.Array[1, 80].Sample(steps =>
        {
            var cache = new SchedulerCache(TimeProvider.System);
            var incremental = new Snapshot();
            foreach (var (kind, which, amount) in steps)
            {
                var pod = new PodInfo(Pod($"p{which}", cpu: $"{amount}", node: $"n{amount % 3}"));
                switch (kind)
                {
                    case 0:
                        cache.AddOrUpdateNode(Node($"n{amount % 3}", zone: $"z{which % 2}"));
                        break;
                    case 1:
                        cache.RemoveNode($"n{amount % 3}");
                        break;
                    case 2:
                        cache.AssumePod(pod, $"n{amount % 3}");
                        break;
                    case 3:
                        cache.ForgetPod(pod);
                        break;
                    case 4:
                        cache.AddOrUpdatePod(pod);
                        break;
                    default:
                        cache.RemovePod(pod.Uid);
                        break;
                }

                cache.UpdateSnapshot(incremental);
                Assert.Equal(cache.NodeCount, incremental.Count);
                Assert.All(incremental.Nodes, AssertSumsUp);
            }

            var fresh = new Snapshot();
            cache.UpdateSnapshot(fresh);
            Assert.Equal(fresh.Nodes.Select(Describe), incremental.Nodes.Select(Describe));
        });

    private static void Apply(Simulation simulation, int kind, string pod, int amount)
    {
        switch (kind)
        {
            case 0 or 1 when simulation.Pods.All(p => p.Metadata.Name != pod):
                simulation.Add(Pod(pod, cpu: $"{amount * 500}m", priority: amount));
                break;
            case 2:
                simulation.Delete(pod);
                break;
            case 3:
                simulation.BindFailure = amount % 2 == 0 ? _ => new InvalidOperationException("the API said no") : null;
                break;
            default:
                simulation.Time.Advance(TimeSpan.FromSeconds(amount));
                break;
        }
    }

    private static void AssertNotOvercommitted(Simulation simulation)
    {
        simulation.Cache.UpdateSnapshot(simulation.ScheduleOne.Snapshot);
        var bound = simulation.Bound;
        foreach (var node in simulation.ScheduleOne.Snapshot.Nodes)
        {
            Assert.InRange(node.Requested.MilliCpu, 0, node.Allocatable.MilliCpu);
            Assert.InRange(node.Pods.Length, 0, node.Allocatable.AllowedPods);
            AssertSumsUp(node);
            Assert.Equal(bound.Where(b => b.Value == node.Name).Select(b => b.Key).Order(), node.Pods.ToArray().Select(p => p.Name).Order());
        }
    }

    private static void AssertSumsUp(NodeInfo node)
    {
        Assert.Equal(node.Pods.ToArray().Sum(p => p.Requests.MilliCpu), node.Requested.MilliCpu);
        Assert.Equal(node.Pods.Length, node.PodGroups.ToArray().Sum(g => g.Count));
    }

    private static string Describe(NodeInfo node) =>
        $"{node.Name} {node.Requested.MilliCpu} {string.Join(',', node.Pods.ToArray().Select(p => p.Name).Order())}";
}
