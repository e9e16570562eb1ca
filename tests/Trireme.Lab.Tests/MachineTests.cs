using Trireme.Lab.Machines;

namespace Trireme.Lab.Tests;

/// <summary>Real namespaces and cables on this host; needs root, as a lab does.</summary>
public sealed class MachineTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("trireme-labs-").FullName;
    private LabHost _lab = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var store = new LabStore(_folder);
        var spec = new LabPlan($"t{Environment.ProcessId}", Servers: 3, Workers: 0, Zones: 3, Egress: false, Simulated: false).Lay(LabAddresses.MaxIndex);
        _lab = new LabHost(store, spec, "/bin/true");
        Directory.CreateDirectory(store.FolderOf(spec.Name));
        try
        {
            await _lab.Network.CreateAsync(Cancelled);
            foreach (var machine in spec.Machines)
            {
                await _lab.Machine(machine.Name).PowerOnAsync(Cancelled);
            }
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _lab.RemoveAsync(CancellationToken.None);
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_machine_has_its_own_name_processes_and_network()
    {
        var words = await _lab.Machine("server-2").RunAsync(["/bin/sh", "-c", "hostname; ip -4 -o addr show eth0; ls -d /proc/[0-9]* | wc -l"], Cancelled);

        Assert.Contains("server-2", words, StringComparison.Ordinal);
        Assert.Contains(_lab.Spec.Machine("server-2").Address, words, StringComparison.Ordinal);
        Assert.True(int.Parse(words.Split('\n')[^1], System.Globalization.CultureInfo.InvariantCulture) < 8, words);
    }

    [Fact]
    public async Task Machines_and_the_host_reach_each_other_until_cut_and_again_after_healing()
    {
        var one = _lab.Spec.Machine("server-1");
        var two = _lab.Spec.Machine("server-2");
        Assert.True(await ReachesAsync("server-1", two.Address));
        Assert.True(await ReachesAsync("server-1", _lab.Spec.Addresses.Host));

        await _lab.Network.CutAsync(one, two, Cancelled);
        Assert.False(await ReachesAsync("server-1", two.Address));
        Assert.True(await ReachesAsync("server-3", two.Address));

        await _lab.Network.HealAsync(one, two, Cancelled);
        Assert.True(await ReachesAsync("server-1", two.Address));

        await _lab.Network.CutAsync(two, null, Cancelled);
        Assert.False(await ReachesAsync("server-3", two.Address));
        Assert.False(await ReachesAsync("server-2", _lab.Spec.Addresses.Host));

        await _lab.Network.HealAsync(two, null, Cancelled);
        Assert.True(await ReachesAsync("server-3", two.Address));
    }

    [Fact]
    public async Task Power_off_ends_every_process_and_power_on_brings_the_machine_back()
    {
        var machine = _lab.Machine("server-3");
        var marker = Path.Combine(machine.DataDirectory, "alive");
        await machine.RunAsync(["/bin/sh", "-c", $"touch '{marker}'; setsid sleep 4321 > /dev/null 2>&1 < /dev/null &"], Cancelled);
        Assert.Contains("sleep 4321", await machine.RunAsync(["ps", "ax"], Cancelled), StringComparison.Ordinal);

        await machine.PowerOffAsync(Cancelled);

        Assert.False(machine.IsOn);
        await Assert.ThrowsAsync<LabException>(() => machine.RunAsync(["true"], Cancelled));
        Assert.False(await ReachesAsync("server-1", _lab.Spec.Machine("server-3").Address) && machine.IsOn);

        await machine.PowerOnAsync(Cancelled);
        Assert.DoesNotContain("sleep 4321", await machine.RunAsync(["ps", "ax"], Cancelled), StringComparison.Ordinal);
        Assert.True(File.Exists(marker));
    }

    [Fact]
    public async Task A_machine_that_is_off_is_not_halted_and_starts_whatever_was_tried_on_it()
    {
        var machine = _lab.Machine("server-3");
        await machine.SignalAsync(null, ComponentSignal.Stop, Cancelled);
        Assert.True(machine.IsHalted);
        await machine.PowerOffAsync(Cancelled);
        foreach (var signal in new[] { ComponentSignal.Stop, ComponentSignal.Continue })
        {
            Assert.Contains("powered off", (await Assert.ThrowsAsync<LabException>(() => machine.SignalAsync(null, signal, Cancelled))).Message, StringComparison.Ordinal);
        }

        // As a halt that came between the look and the deed leaves it.
        await ControlGroups.Host.FreezeAsync(ControlGroups.NameOf(_lab.Spec.Name, "server-3"), Cancelled);
        await machine.PowerOnAsync(Cancelled);

        Assert.Equal("server-3", await machine.RunAsync(["hostname"], Cancelled));
    }

    [Fact]
    public async Task Two_commands_that_switch_a_machine_on_start_one_machine()
    {
        await _lab.Machine("server-3").PowerOffAsync(Cancelled);

        await Task.WhenAll(_lab.Machine("server-3").PowerOnAsync(Cancelled), _lab.Machine("server-3").PowerOnAsync(Cancelled));

        var starters = Directory.EnumerateDirectories("/proc").Count(d => Words(d).Contains(Path.Combine(_lab.Store.HostSideOf(_lab.Spec.Name, "server-3"), "init.sh"), StringComparison.Ordinal));
        Assert.Equal(2, starters); // the one that holds the namespaces, and process 1 in them
    }

    [Fact]
    public async Task A_machine_sees_its_own_control_groups_as_the_root()
    {
        var groups = await _lab.Machine("server-1").RunAsync(["cat", "/proc/self/cgroup"], Cancelled);

        Assert.DoesNotContain("trireme-lab", groups, StringComparison.Ordinal);
        Assert.Equal("0", await _lab.Machine("server-1").RunAsync(["/bin/sh", "-c", "mkdir -p /sys/fs/cgroup/memory/x && rmdir /sys/fs/cgroup/memory/x || rmdir /sys/fs/cgroup/x; echo $?"], Cancelled));
        Assert.False(Directory.Exists("/sys/fs/cgroup/memory/x"));
    }

    [Fact]
    public async Task Nothing_for_the_labs_ranges_leaves_the_host()
    {
        var addresses = _lab.Spec.Addresses;
        var pod = addresses.PodRange.Replace(".0.0/16", ".77.7", StringComparison.Ordinal);
        foreach (var target in new[] { addresses.Machine(77), pod, "10.96.0.1" })
        {
            var (code, route) = await HostCommand.TryRunAsync("ip", ["route", "get", target], null, Cancelled);
            Assert.True(code != 0 || route.Contains(addresses.HostInterface, StringComparison.Ordinal), $"{target}: {route}");
            Assert.False(await ReachesAsync("server-1", target));
        }
    }

    [Fact]
    public async Task Removal_leaves_no_trace_and_may_be_repeated()
    {
        await _lab.RemoveAsync(Cancelled);
        await _lab.RemoveAsync(Cancelled);

        var (_, spaces) = await HostCommand.TryRunAsync("ip", ["netns", "list"], null, Cancelled);
        Assert.DoesNotContain(_lab.Network.NamespaceOf("server-1"), spaces, StringComparison.Ordinal);
        var (_, tables) = await HostCommand.TryRunAsync("nft", ["list", "tables"], null, Cancelled);
        Assert.DoesNotContain($"trireme-lab-{_lab.Spec.Name}", tables, StringComparison.Ordinal);
        Assert.DoesNotContain(_folder, await File.ReadAllTextAsync("/proc/self/mountinfo", Cancelled), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateDirectories("/sys/fs/cgroup", _lab.Spec.Name, new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3 }));
        Assert.False(Directory.Exists(_lab.Store.FolderOf(_lab.Spec.Name)));
    }

    private static string Words(string process)
    {
        try
        {
            return int.TryParse(Path.GetFileName(process), out _) ? File.ReadAllText(Path.Combine(process, "cmdline")) : "";
        }
        catch (IOException)
        {
            return ""; // it has ended meanwhile
        }
    }

    private async Task<bool> ReachesAsync(string from, string address)
    {
        var (code, _) = await _lab.Machine(from).TryRunAsync(["ping", "-c", "1", "-W", "1", address], Cancelled);
        return code == 0;
    }
}
