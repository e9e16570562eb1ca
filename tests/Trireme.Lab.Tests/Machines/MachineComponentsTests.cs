using Trireme.Cluster;
using Trireme.Lab.Machines;

namespace Trireme.Lab.Tests.Machines;

public sealed class MachineComponentsTests : IDisposable
{
    private readonly MachineDirectory _directory = new(Directory.CreateTempSubdirectory("trireme-machine-").FullName);

    [Fact]
    public void The_last_start_that_was_noted_counts()
    {
        Directory.CreateDirectory(_directory.Run);
        File.WriteAllText(_directory.PidFileOf("etcd"), $"999999 1\n{Environment.ProcessId} 2\n");
        File.WriteAllText(_directory.PidFileOf("kubelet"), "999999 1\n");

        var components = MachineComponents.Read(_directory, [Environment.ProcessId]);

        Assert.Equal([new ComponentState("etcd", "running", Environment.ProcessId), new ComponentState("kubelet", "dead", null)], components);
    }

    public void Dispose() => Directory.Delete(_directory.Root, recursive: true);
}
