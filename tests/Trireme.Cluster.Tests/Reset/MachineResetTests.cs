using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Phases;
using Trireme.Cluster.Reset;

namespace Trireme.Cluster.Tests.Reset;

public sealed class MachineResetTests : IDisposable
{
    private readonly TemporaryDirectory _temporary = new();

    private MachineDirectory Directory => new(_temporary["machine"]);

    [Fact]
    public async Task A_directory_that_holds_no_machine_is_left_alone_and_so_is_the_host()
    {
        var error = await Assert.ThrowsAsync<PhaseException>(ResetAsync);
        Assert.Contains("does not exist", error.Message);

        System.IO.Directory.CreateDirectory(Directory.Root);
        File.WriteAllText(_temporary["machine/mine"], "");
        error = await Assert.ThrowsAsync<PhaseException>(ResetAsync);
        Assert.Contains("holds no machine of ours", error.Message);
        Assert.True(File.Exists(_temporary["machine/mine"]));
    }

    [Fact]
    public async Task A_server_that_cannot_leave_its_cluster_keeps_everything()
    {
        new MachineConfig { Name = "server-1", AdvertiseAddress = IPAddress.Parse("10.0.0.1"), CreatedCluster = true, EtcdJoinsExisting = true, EtcdMember = "server-1-000000000001" }.Save(Directory);
        Machine.EnsureId(Directory);
        new KnownEndpoints { EtcdServers = ["https://10.0.0.1:2379", "https://10.0.0.2:2379"] }.Save(Directory);

        // It has lost the certificates by which it could tell the others.
        var error = await Assert.ThrowsAsync<PhaseException>(ResetAsync);

        Assert.Contains("--keep-membership", error.Message);
        Assert.True(File.Exists(Directory.Config));
        Assert.True(File.Exists(Directory.MachineId));
    }

    public void Dispose() => _temporary.Dispose();

    private Task ResetAsync() => new MachineReset(Directory, NullLoggerFactory.Instance, TimeProvider.System, static _ => { })
        .RunAsync(keepMembership: false, TestContext.Current.CancellationToken);
}
