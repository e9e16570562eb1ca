using System.Net;
using Trireme.Cluster.Balancing;

namespace Trireme.Cluster.Tests.Balancing;

public sealed class KnownEndpointsTests
{
    private static readonly DateTimeOffset _now = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_server_that_is_no_longer_listed_is_remembered_for_a_day()
    {
        var known = new KnownEndpoints().WithApiServers([Server(1), Server(2)], _now).WithApiServers([Server(1)], _now.AddHours(23));
        Assert.Equal(2, known.ApiServers.Count);
        Assert.Single(known.WithApiServers([Server(1)], _now.AddHours(25)).ApiServers);
    }

    [Fact]
    public void An_empty_list_never_empties_what_is_known()
    {
        var known = new KnownEndpoints().WithApiServers([Server(1)], _now);
        Assert.Single(known.WithApiServers([], _now.AddDays(30)).ApiServers);
    }

    [Fact]
    public void What_is_known_survives_a_restart_and_a_damaged_file_is_no_fault()
    {
        using var temporary = new TemporaryDirectory();
        var directory = new MachineDirectory(temporary.Path);
        (new KnownEndpoints { EtcdServers = ["https://10.0.0.1:2379"] }).WithApiServers([Server(1)], _now).Save(directory);
        Assert.Equal([Server(1)], KnownEndpoints.Load(directory).ApiServerAddresses());
        File.WriteAllText(directory.Endpoints, "{");
        Assert.Empty(KnownEndpoints.Load(directory).ApiServers);
    }

    [Fact]
    public void The_disk_is_written_only_for_what_is_listed()
    {
        var known = new KnownEndpoints().WithApiServers([Server(1), Server(2)], _now);
        Assert.False(known.IsOutdatedBy([Server(1), Server(2)], _now.AddHours(1)));
        Assert.True(known.IsOutdatedBy([Server(1), Server(3)], _now.AddHours(1)));
        Assert.True(known.IsOutdatedBy([Server(1)], _now.AddHours(7)));

        // The other is never listed again: its age alone is no reason, until it is forgotten.
        var later = known.WithApiServers([Server(1)], _now.AddHours(20));
        Assert.False(later.IsOutdatedBy([Server(1)], _now.AddHours(21)));
        Assert.True(later.IsOutdatedBy([Server(1)], _now.AddHours(25)));
    }

    [Fact]
    public void The_virtual_address_is_no_server()
    {
        var known = new KnownEndpoints().WithApiServers([Server(1), Server(100)], _now).Without(Server(100).Address);
        Assert.Equal([Server(1)], known.ApiServerAddresses());
    }

    private static IPEndPoint Server(int i) => new(IPAddress.Parse($"10.0.0.{i}"), 6443);
}
