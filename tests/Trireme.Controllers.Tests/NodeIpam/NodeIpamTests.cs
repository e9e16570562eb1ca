using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Controllers.NodeIpam;

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
    public async Task A_manager_that_takes_over_with_an_old_cache_gives_no_range_twice()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new NodeIpamController(c));
        var fresh = Objects.Node("b");
        harness.Api.Seed(fresh);
        await harness.StartAsync();
        await harness.UntilAsync(() => Ranges(harness).Count == 1);
        await harness.EndTermAsync();

        // Another manager gives the next range away, and our watch does not hear of it.
        harness.Api.Intercept = r => r is { Resource: "nodes", Verb: "watch" } ? new ApiUnavailableException("late") : null;
        harness.Api.Seed(Objects.Node("late"));
        await harness.UntilAsync(() => harness.Informers.For<Node>().Indexer.Get(null, "late") is not null);
        harness.Api.CloseWatches();
        await harness.StaysAsync(() => true, TimeSpan.FromSeconds(1));
        var taken = Objects.Node("a");
        taken.Spec!.PodCIDR = "10.201.1.0/24";
        harness.Api.Seed(taken);
        harness.StartTerm();

        await harness.UntilAsync(() => Ranges(harness).Count == 3);
        Assert.Equal(3, Ranges(harness).Distinct().Count());
    }

    private static List<string> Ranges(ControllerHarness harness) =>
        [.. harness.Api.PeekAll<Node>().Select(n => n.Spec!.PodCIDR).OfType<string>().Where(c => c.Length > 0)];
}
