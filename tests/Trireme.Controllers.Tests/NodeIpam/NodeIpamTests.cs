using Trireme.Api.Models.Core.V1;
using Trireme.Controllers.NodeIpam;
using Trireme.Controllers.PodGc;

namespace Trireme.Controllers.Tests.NodeIpam;

public sealed class NodeIpamTests
{
    [Fact]
    public async Task Each_node_gets_a_range_of_its_own_and_a_freed_one_is_given_again()
    {
        await using var harness = new ControllerHarness(new ControllerManagerOptions { ClusterCidr = "10.201.0.0/23" });
        harness.Add(c => new NodeIpamController(c));
        await harness.StartAsync();
        harness.Api.Seed(Objects.Node("a"));
        harness.Api.Seed(Objects.Node("b"));
        harness.Api.Seed(Objects.Node("late"));
        await harness.UntilAsync(() => Ranges(harness).Count == 2);
        Assert.Equal(["10.201.0.0/24", "10.201.1.0/24"], Ranges(harness).Order(StringComparer.Ordinal));
        Assert.Contains(harness.Events.All, e => e.Reason == "CIDRNotAvailable");

        var without = harness.Api.PeekAll<Node>().Single(n => string.IsNullOrEmpty(n.Spec!.PodCIDR)).Metadata.Name!;
        var victim = harness.Api.PeekAll<Node>().First(n => n.Metadata.Name != without).Metadata.Name!;
        harness.Api.Remove<Node>(null, victim);
        await harness.UntilAsync(() => !string.IsNullOrEmpty(harness.Api.Peek<Node>(null, without)!.Spec!.PodCIDR));
        Assert.Equal(2, Ranges(harness).Distinct().Count());
    }

    [Theory]
    [InlineData("10.201.0.0/16", 24, 256)]
    [InlineData("10.201.0.0/24", 24, 1)]
    public void A_range_is_cut_into_parts_that_are_found_again(string cluster, int length, int count)
    {
        var set = new CidrSet(cluster, length);
        Assert.Equal(count, set.Count);
        Assert.All(Enumerable.Range(0, count), i => Assert.Equal(i, set.IndexOf(set[i])));
        Assert.Null(set.IndexOf("192.168.0.0/24"));
    }

    [Fact]
    public async Task Pods_of_a_node_that_is_gone_are_removed_after_a_while()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new PodGcController(c));
        harness.Api.Seed(Objects.Node("n1"));
        harness.Api.Seed(Objects.Pod("lost", node: "gone"));
        harness.Api.Seed(Objects.Pod("kept", node: "n1"));
        await harness.StartAsync();

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "lost") is null, TimeSpan.FromSeconds(1));
        Assert.NotNull(harness.Api.Peek<Pod>(Objects.Ns, "kept"));
    }

    private static List<string> Ranges(ControllerHarness harness) =>
        [.. harness.Api.PeekAll<Node>().Select(n => n.Spec!.PodCIDR).OfType<string>().Where(c => c.Length > 0)];
}
