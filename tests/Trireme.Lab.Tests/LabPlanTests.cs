namespace Trireme.Lab.Tests;

public class LabPlanTests
{
    [Fact]
    public void Servers_are_dealt_over_zones_in_turn()
    {
        var lab = new LabPlan("default", Servers: 3, Workers: 2, Zones: 3, Egress: true, Simulated: false).Lay(1);

        Assert.Equal(["zone-a", "zone-b", "zone-c", "zone-a", "zone-b"], lab.Machines.Select(m => m.Zone));
        Assert.Equal(["10.99.1.1", "10.99.1.2", "10.99.1.3", "10.99.1.4", "10.99.1.5"], lab.Machines.Select(m => m.Address));
        Assert.Equal([true, true, true, false, false], lab.Machines.Select(m => m.Server));
    }

    [Fact]
    public void Labs_of_different_numbers_share_no_machine_or_pod_address()
    {
        var ranges = Enumerable.Range(1, LabAddresses.MaxIndex).Select(i => new LabAddresses(i)).SelectMany(a => new[] { a.MachineRange, a.PodRange, a.HostInterface }).ToList();

        Assert.Equal(ranges.Count, ranges.Distinct().Count());
        Assert.DoesNotContain(ranges, r => r.StartsWith("10.96.", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Default", 3, 0, 3, "--name")]
    [InlineData("a-name-of-more-than-twenty", 3, 0, 3, "--name")]
    [InlineData("../etc", 3, 0, 3, "--name")]
    [InlineData("x", 0, 0, 3, "--servers")]
    [InlineData("x", 10, 0, 3, "--servers")]
    [InlineData("x", 3, -1, 3, "--workers")]
    [InlineData("x", 3, 500, 3, "--workers")]
    [InlineData("x", 3, 0, 0, "--zones")]
    public void A_plan_that_cannot_be_built_names_the_flag(string name, int servers, int workers, int zones, string flag)
    {
        var error = Assert.Throws<LabException>(() => new LabPlan(name, servers, workers, zones, true, false).Lay(1));

        Assert.StartsWith(flag, error.Message, StringComparison.Ordinal);
    }
}
