using System.Net;
using Trireme.Cluster.Phases;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Tests;

public sealed class MachineConfigTests
{
    private static MachineConfig Config => new()
    {
        Name = "server-1",
        Zone = "zone-a",
        AdvertiseAddress = IPAddress.Parse("10.0.0.1"),
        VirtualIP = IPAddress.Parse("10.0.0.100"),
        EtcdMember = "server-1-0123456789ab",
        EtcdInitialCluster = "server-1-0123456789ab=https://10.0.0.1:2380",
        EtcdJoinsExisting = true,
        Components = ["containerd", "etcd"],
    };

    [Fact]
    public void What_was_saved_is_read_back()
    {
        var read = MachineConfig.Parse(Config.ToYaml(), "config.yaml");
        Assert.Equal(Config with { Components = [] }, read with { Components = [] });
        Assert.Equal(Config.Components, read.Components);
    }

    [Theory]
    [InlineData("")]
    [InlineData("kind: Pod")]
    [InlineData("kind: MachineConfig\nname: x\nrole: king\nadvertiseAddress: 10.0.0.1")]
    [InlineData("kind: MachineConfig\nname: x\nrole: server\nadvertiseAddress: nowhere")]
    [InlineData("a: [1, 2")]
    public void A_damaged_file_is_named_in_the_error(string yaml) =>
        Assert.StartsWith("config.yaml is damaged (", Assert.Throws<FormatException>(() => MachineConfig.Parse(yaml, "config.yaml")).Message);

    [Fact]
    public void A_joining_machine_takes_over_the_settings_of_the_cluster_and_keeps_its_own()
    {
        var cluster = Config with { PodCidr = "10.77.0.0/16", ServiceCidr = "10.78.0.0/16" };
        var joined = (Config with { Name = "server-2", VirtualIP = null }).WithClusterYaml(cluster.ToClusterYaml());
        Assert.Equal(("server-2", "10.77.0.0/16", cluster.VirtualIP), (joined.Name, joined.PodCidr, joined.VirtualIP));
        Assert.Equal(IPAddress.Parse("10.78.0.10"), joined.ClusterDns);
    }

    [Fact]
    public void A_second_cluster_is_never_made_over_the_data_of_another()
    {
        using var temporary = new TemporaryDirectory();
        var directory = new MachineDirectory(temporary.Path);
        Config.Save(directory);
        Assert.Throws<PhaseException>(() => MachineSetup.ForInit(directory, Config));

        File.Delete(directory.Config);
        Directory.CreateDirectory(Path.Combine(directory.Etcd, "member"));
        Assert.Throws<PhaseException>(() => MachineSetup.ForInit(directory, Config));
    }

    [Fact]
    public void An_interrupted_init_goes_on_where_it_stopped()
    {
        using var temporary = new TemporaryDirectory();
        var directory = new MachineDirectory(temporary.Path);
        var started = Config with { CreatedCluster = true };
        started.Save(directory);
        var again = MachineSetup.ForInit(directory, started with { EtcdMember = "", Components = [] });
        Assert.Equal((started.EtcdMember, 2), (again.EtcdMember, again.Components.Count));
        Assert.Throws<PhaseException>(() => MachineSetup.ForJoin(directory, started));
    }

    [Fact]
    public void An_init_that_is_given_again_keeps_the_addresses_that_it_does_not_name()
    {
        using var temporary = new TemporaryDirectory();
        var directory = new MachineDirectory(temporary.Path);
        (Config with { CreatedCluster = true, ControlPlaneEndpoint = "api.example.org:6443" }).Save(directory);
        var again = MachineSetup.ForInit(directory, Config with { VirtualIP = null });
        Assert.Equal((Config.VirtualIP, "api.example.org:6443"), (again.VirtualIP, again.ControlPlaneEndpoint));
        var moved = MachineSetup.ForInit(directory, Config with { VirtualIP = IPAddress.Parse("10.0.0.101") });
        Assert.Equal(IPAddress.Parse("10.0.0.101"), moved.VirtualIP);
    }

    [Fact]
    public void Whatever_a_value_holds_the_file_reads_back()
    {
        var odd = Config with { Zone = "a\"b\\c: #\nd" };
        Assert.Equal(odd.Zone, MachineConfig.Parse(odd.ToYaml(), "config.yaml").Zone);
    }

    [Theory]
    [InlineData("zone-a", true)]
    [InlineData("eu_1.B", true)]
    [InlineData("", false)]
    [InlineData("a b", false)]
    [InlineData("a\"", false)]
    [InlineData("-a", false)]
    [InlineData("a0123456789012345678901234567890123456789012345678901234567890123", false)]
    public void A_zone_is_the_value_of_a_label(string zone, bool valid) => Assert.Equal(valid, MachineConfig.IsZone(zone));

    [Theory]
    [InlineData("api.example.org:6443", true)]
    [InlineData("10.0.0.5:443", true)]
    [InlineData("[fd00::5]:6443", true)]
    [InlineData("api.example.org", false)]
    [InlineData("https://api.example.org:6443", false)]
    [InlineData("api:99999", false)]
    public void An_endpoint_is_a_host_and_a_port(string endpoint, bool valid) => Assert.Equal(valid, MachineConfig.IsEndpoint(endpoint));

    [Fact]
    public void Each_role_runs_its_components()
    {
        Assert.Equal(MachineComponents.Order, MachineComponents.Of(Config));
        Assert.Equal(["containerd", "kubelet", "proxy"], MachineComponents.Of(Config with { Role = MachineRole.Worker }));
    }
}
