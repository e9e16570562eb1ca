using Trireme.Api.Models.Storage.V1;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests.Plugins;

public sealed class VolumeBindingTests
{
    private const string TwoNodes = "0/2 nodes are available: ";

    [Fact]
    public void A_pod_goes_where_its_volume_is()
    {
        using var simulation = Start();
        simulation.Volumes.Add(Volume("v", node: "b"));
        simulation.Volumes.Add(Claim("c"));
        simulation.Volumes.Bind("v", "c");
        simulation.Add(Pod("p").WithClaim("c")).Run();

        Assert.Equal("b", simulation.Bound["p"]);
    }

    [Fact]
    public void A_pod_whose_volume_is_nowhere_in_reach_says_so()
    {
        using var simulation = Start();
        simulation.Volumes.Add(Volume("v", node: "gone"));
        simulation.Volumes.Add(Claim("c"));
        simulation.Volumes.Bind("v", "c");
        simulation.Add(Pod("p").WithClaim("c")).Run();

        Assert.StartsWith(TwoNodes + "2 node(s) had volume node affinity conflict.", simulation.WhyPending("p"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pod_waits_for_a_claim_that_is_bound_without_it()
    {
        using var simulation = Start();
        simulation.Add(Pod("p").WithClaim("c")).Run();
        Assert.StartsWith(TwoNodes + "persistentvolumeclaim \"c\" not found.", simulation.WhyPending("p"), StringComparison.Ordinal);

        simulation.Volumes.Add(Claim("c", storageClass: "immediate"));
        simulation.Time.Advance(TimeSpan.FromMinutes(6));
        simulation.Run();
        Assert.StartsWith(TwoNodes + "pod has unbound immediate PersistentVolumeClaims.", simulation.WhyPending("p"), StringComparison.Ordinal);

        simulation.Volumes.Add(Volume("v"));
        simulation.Volumes.Bind("v", "c");
        simulation.Time.Advance(TimeSpan.FromMinutes(6));
        simulation.Run();
        Assert.Contains("p", simulation.Bound.Keys);
    }

    [Fact]
    public void A_claim_that_waits_for_its_consumer_gets_the_smallest_volume_that_is_within_reach()
    {
        using var simulation = Start();
        simulation.Volumes.Add(Volume("large", "8Gi", node: "b"));
        simulation.Volumes.Add(Volume("fitting", "2Gi", node: "b"));
        simulation.Volumes.Add(Volume("small", "1Gi", node: "a"));
        simulation.Volumes.Add(Volume("other", "2Gi", node: "a", storageClass: "other"));
        simulation.Volumes.Add(Claim("c", "2Gi"));
        simulation.Add(Pod("p").WithClaim("c")).Run();

        Assert.Equal("b", simulation.Bound["p"]);
        Assert.Equal("fitting", simulation.Volumes.Claim("default", "c")!.Spec!.VolumeName);
    }

    [Fact]
    public void Two_claims_never_get_the_same_volume()
    {
        using var simulation = Start();
        simulation.Volumes.Add(Volume("v", node: "a"));
        simulation.Volumes.Add(Claim("c1"));
        simulation.Volumes.Add(Claim("c2"));
        simulation.Add(Pod("both").WithClaim("c1").WithClaim("c2")).Run();
        Assert.StartsWith(TwoNodes + "2 node(s) didn't find available persistent volumes to bind.", simulation.WhyPending("both"), StringComparison.Ordinal);

        simulation.Volumes.Add(Volume("w", node: "a"));
        simulation.Time.Advance(TimeSpan.FromMinutes(6));
        simulation.Run();
        Assert.Equal("a", simulation.Bound["both"]);
        Assert.Equal(["v", "w"], new[] { "c1", "c2" }.Select(c => simulation.Volumes.Claim("default", c)!.Spec!.VolumeName).Order());
    }

    [Fact]
    public void A_claim_of_a_class_with_a_provisioner_gets_one_made_for_the_node()
    {
        using var simulation = Start();
        simulation.Volumes.Classes["made"] = new StorageClass { Provisioner = "example.com/disks", VolumeBindingMode = "WaitForFirstConsumer" };
        simulation.Volumes.Add(Claim("c", storageClass: "made"));
        simulation.Add(Pod("p").WithClaim("c")).Run();

        Assert.Equal(simulation.Bound["p"], simulation.Volumes.Volume("made-for-c")!.Spec!.NodeAffinity!.Required!.NodeSelectorTerms![0].MatchExpressions![0].Values![0]);
    }

    private static Simulation Start()
    {
        var simulation = new Simulation().Add(Node("a"), Node("b"));
        simulation.Volumes.Classes["local"] = new StorageClass { Provisioner = "kubernetes.io/no-provisioner", VolumeBindingMode = "WaitForFirstConsumer" };
        return simulation;
    }
}
