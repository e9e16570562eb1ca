using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Cluster.Phases;

namespace Trireme.Cluster.Tests.Phases;

public sealed class PreflightPhaseTests
{
    private static MachineConfig Config => new()
    {
        Name = "server-1",
        AdvertiseAddress = IPAddress.Parse("10.0.0.1"),
        VirtualIP = IPAddress.Parse("10.0.0.100"),
    };

    [Fact]
    public void Every_port_that_a_component_listens_on_is_looked_at()
    {
        var server = PreflightPhase.WantedPorts(Config).Select(p => $"{p.Address}:{p.Number}").ToHashSet();
        Assert.Superset(
            new HashSet<string>
            {
                "10.0.0.1:6443", "127.0.0.1:6443", "10.0.0.100:6443", "10.0.0.1:2379", "127.0.0.1:2379", "10.0.0.1:2380", "127.0.0.1:2381",
                "127.0.0.1:7443", "0.0.0.0:10250", "127.0.0.1:10248", "127.0.0.1:10256", "127.0.0.1:10257", "127.0.0.1:10259",
            },
            server);
        Assert.Equal([7443, 10250, 10248, 10256], PreflightPhase.WantedPorts(Config with { Role = MachineRole.Worker }).Select(p => p.Number));
    }

    [Fact]
    public void A_port_is_used_when_somebody_listens_on_it_on_this_address_or_on_all()
    {
        using var somebody = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        somebody.Bind(new IPEndPoint(IPAddress.Any, 0));
        somebody.Listen();
        var port = ((IPEndPoint)somebody.LocalEndPoint!).Port;
        Assert.True(PreflightPhase.IsUsed(new(IPAddress.Loopback, port, "it")));

        // An address that this machine does not have yet.
        Assert.True(PreflightPhase.IsUsed(new(IPAddress.Parse("192.0.2.7"), port, "it")));
        somebody.Dispose();
        Assert.False(PreflightPhase.IsUsed(new(IPAddress.Loopback, port, "it")));
        Assert.False(PreflightPhase.IsUsed(new(IPAddress.Parse("192.0.2.7"), port, "it")));
    }

    [Fact]
    public void A_directory_whose_sockets_the_kernel_could_not_name_is_refused()
    {
        Assert.Null(PreflightPhase.TooLong(new MachineDirectory(MachineDirectory.DefaultRoot)));
        Assert.Contains("too long by 1 characters", PreflightPhase.TooLong(new MachineDirectory("/" + new string('x', 74))));
        Assert.Null(PreflightPhase.TooLong(new MachineDirectory("/" + new string('x', 73))));
    }

    [Fact]
    public void A_virtual_address_that_is_the_machines_own_is_refused()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "preflight looks no further without root");
        using var temporary = new TemporaryDirectory();
        using var context = new PhaseContext(new MachineDirectory(temporary["machine"]), Config with { VirtualIP = Config.AdvertiseAddress }, NullLoggerFactory.Instance, TimeProvider.System);
        Assert.Contains(PreflightPhase.Problems(context), p => p.StartsWith("--virtual-ip 10.0.0.1 is this machine's own address", StringComparison.Ordinal));
    }

    [Fact]
    public void A_kernel_without_the_bridge_filter_is_named_with_the_remedy()
    {
        using var temporary = new TemporaryDirectory();
        Assert.Contains("modprobe br_netfilter", KernelModules.Missing(temporary.Path));
        Directory.CreateDirectory(temporary["net/bridge"]);
        File.WriteAllText(temporary["net/bridge/bridge-nf-call-iptables"], "1");
        Assert.Null(KernelModules.Missing(temporary.Path));
    }
}
