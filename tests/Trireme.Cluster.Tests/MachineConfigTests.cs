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
    public void Each_role_runs_its_components()
    {
        Assert.Equal(MachineComponents.Order, MachineComponents.Of(Config));
        Assert.Equal(["containerd", "kubelet", "proxy"], MachineComponents.Of(Config with { Role = MachineRole.Worker }));
    }
}
