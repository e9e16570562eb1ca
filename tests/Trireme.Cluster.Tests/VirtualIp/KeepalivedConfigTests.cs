using System.Net;
using Trireme.Cluster.VirtualIp;

namespace Trireme.Cluster.Tests.VirtualIp;

public sealed class KeepalivedConfigTests
{
    private static string Text => new KeepalivedConfig(
        new MachineDirectory("/var/lib/trireme"),
        new MachineConfig { Name = "server-1", AdvertiseAddress = IPAddress.Parse("10.0.0.1"), VirtualIP = IPAddress.Parse("10.0.0.100") }).Configuration("eth0");

    [Fact]
    public void Two_holders_that_do_not_hear_each_other_do_not_pull_clients_to_and_fro()
    {
        Assert.DoesNotContain("garp_master_refresh", Text);

        // And when they hear each other again, the one that stays is the last that clients have heard.
        Assert.Contains("vrrp_higher_prio_send_advert true", Text);
        Assert.Contains("vrrp_garp_lower_prio_repeat 3", Text);
    }

    [Fact]
    public void A_server_that_returns_moves_nothing()
    {
        Assert.Contains("state BACKUP", Text);
        Assert.Contains("nopreempt", Text);
    }
}
