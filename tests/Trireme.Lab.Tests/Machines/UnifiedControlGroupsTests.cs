using Trireme.Lab.Machines;

namespace Trireme.Lab.Tests.Machines;

/// <summary>A machine in the unified hierarchy of control groups, whatever the host itself uses; needs root, as a lab does.</summary>
public sealed class UnifiedControlGroupsTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("trireme-labs-").FullName;
    private readonly string _mount = Directory.CreateTempSubdirectory("trireme-cgroup-").FullName;
    private LabHost _lab = null!;
    private MachineControl _machine = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private string Group => Path.Combine(_mount, ControlGroups.NameOf(_lab.Spec.Name, "server-1"));

    public async ValueTask InitializeAsync()
    {
        await HostCommand.RunAsync("mount", ["-t", "cgroup2", "cgroup2", _mount], Cancelled);
        var store = new LabStore(_folder);
        var spec = new LabPlan($"u{Environment.ProcessId}", Servers: 1, Workers: 0, Zones: 1, Egress: false, Simulated: false).Lay(LabAddresses.MaxIndex - 1);
        Directory.CreateDirectory(store.FolderOf(spec.Name));
        _lab = new LabHost(store, spec, "/bin/true");
        _machine = new MachineControl(store, spec, spec.Machines[0], "/bin/true") { Groups = new ControlGroups(_mount, unified: true) };
        try
        {
            await _lab.Network.CreateAsync(Cancelled);
            await _machine.PowerOnAsync(Cancelled);
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _machine.RemoveAsync(CancellationToken.None);
        await _lab.RemoveAsync(CancellationToken.None);
        await HostCommand.TryRunAsync("umount", [_mount], null, CancellationToken.None);
        Directory.Delete(_mount);
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task What_a_machine_runs_is_beside_its_pods_so_that_these_get_every_controller()
    {
        string[] wanted = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];
        var there = (await File.ReadAllTextAsync(Path.Combine(_mount, "cgroup.controllers"), Cancelled)).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

        // As a container runtime does it: a group below the root of what it sees, and a process in it.
        var words = await _machine.RunAsync(
            ["/bin/sh", "-ec", $"grep ^0:: /proc/self/cgroup; mkdir -p {_mount}/kubepods/pod; cat {_mount}/cgroup.subtree_control; echo 0 > {_mount}/kubepods/pod/cgroup.procs; grep ^0:: /proc/self/cgroup"],
            Cancelled);

        Assert.Equal(["0::/init", string.Join(' ', there.Intersect(wanted)), "0::/kubepods/pod"], words.Split('\n').Select(w => w.Trim()));
        Assert.Empty(await File.ReadAllTextAsync(Path.Combine(Group, "cgroup.procs"), Cancelled));
        Assert.True(Directory.Exists(Path.Combine(Group, "kubepods", "pod")));
    }

    [Fact]
    public async Task A_machine_is_halted_and_switched_off_with_its_pods_and_starts_again()
    {
        var pod = Path.Combine(Group, "kubepods", "cgroup.procs");
        await _machine.RunAsync(
            ["/bin/sh", "-ec", $"mkdir -p {_mount}/kubepods; setsid /bin/sh -c 'echo 0 > {_mount}/kubepods/cgroup.procs; exec sleep 4321' > /dev/null 2>&1 < /dev/null & while ! grep -q . {_mount}/kubepods/cgroup.procs; do sleep 0.01; done"],
            Cancelled);
        var process = (await File.ReadAllLinesAsync(pod, Cancelled))[0];

        await _machine.FreezeAsync(Cancelled);
        Assert.True(_machine.IsHalted);
        await _machine.ThawAsync(Cancelled);
        Assert.False(_machine.IsHalted);

        await _machine.PowerOffAsync(Cancelled);
        Assert.False(File.Exists($"/proc/{process}/cmdline"));

        await _machine.PowerOnAsync(Cancelled);
        Assert.Equal("server-1", await _machine.RunAsync(["hostname"], Cancelled));
        Assert.False(File.Exists(pod));
    }

    [Fact]
    public async Task Removal_leaves_no_group()
    {
        await _machine.RemoveAsync(Cancelled);

        Assert.False(Directory.Exists(Path.Combine(_mount, "trireme-lab", _lab.Spec.Name)));
    }
}
