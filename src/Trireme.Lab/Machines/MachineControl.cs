using System.Globalization;
using Trireme.Cluster;
using Trireme.Cluster.Supervision;
using Trireme.Lab.Network;

namespace Trireme.Lab.Machines;

/// <summary>Switches one machine of a lab on and off, and runs programs on it.</summary>
/// <remarks>
/// A machine is what a process in namespaces of its own sees: own network, processes, mounts, host name and control groups. Process 1
/// is the machine's service manager: it reaps orphans and, once the machine is set up, keeps one service running, the supervisor.
/// Killing process 1 is a power cut: the kernel ends everything in the machine at once, its cable goes dead, and only its data stay.
/// </remarks>
public sealed class MachineControl(LabStore store, LabSpec lab, LabMachine machine, string program)
{
    private readonly string _hostSide = store.HostSideOf(lab.Name, machine.Name);

    /// <summary>The <c>--data-dir</c> of commands on this machine.</summary>
    public string DataDirectory { get; } = store.DataOf(lab.Name, machine.Name);

    /// <summary>Where the machine's control group is.</summary>
    internal ControlGroups Groups { get; init; } = ControlGroups.Host;

    private string ProcessFile => Path.Combine(_hostSide, "init.pid");

    private string Group => ControlGroups.NameOf(lab.Name, machine.Name);

    /// <summary>Whether the machine is switched on.</summary>
    public bool IsOn => FirstProcess() is not null;

    /// <summary>Switches the machine on; does nothing if it is on.</summary>
    /// <exception cref="LabException">It did not come up; the message holds its last words.</exception>
    public async Task PowerOnAsync(CancellationToken cancellationToken)
    {
        using var guard = await store.LockMachineAsync(lab.Name, machine.Name, cancellationToken);
        if (IsOn)
        {
            return;
        }

        // What the last power cut could not take along, halted or not, is no part of the machine that starts now.
        await Groups.ThawAsync(Group, cancellationToken);
        await Groups.KillAsync(Group, cancellationToken);
        Directory.CreateDirectory(DataDirectory);
        var network = new LabNetwork(lab);
        await network.ConnectAsync(machine, cancellationToken);
        await Groups.CreateAsync(Group, cancellationToken);
        var script = Path.Combine(_hostSide, "init.sh");
        var log = Path.Combine(_hostSide, "init.log");
        await File.WriteAllTextAsync(script, InitScript(), cancellationToken);
        File.Delete(Path.Combine(_hostSide, "up"));

        // The first shell leaves at once, so that the machine outlives the command that started it.
        await HostCommand.ShellAsync(
            $$"""
            setsid /bin/sh -c '{{FirstProcessScript(network, script)}}' > "{{log}}" 2>&1 < /dev/null &
            i=0; while [ ! -e "{{_hostSide}}/up" ] && [ $i -lt 500 ]; do sleep 0.01; i=$((i+1)); done
            """,
            cancellationToken);
        if (!File.Exists(Path.Combine(_hostSide, "up")))
        {
            var words = File.Exists(log) ? await File.ReadAllTextAsync(log, cancellationToken) : "";
            throw new LabException($"machine {machine.Name} did not start: {(words.Length > 0 ? words.Trim() : $"see {log}")}");
        }
    }

    /// <summary>Cuts the power: every process of the machine is gone when this returns. Does nothing if it is off.</summary>
    public async Task PowerOffAsync(CancellationToken cancellationToken)
    {
        using var guard = await store.LockMachineAsync(lab.Name, machine.Name, cancellationToken);
        await CutPowerAsync(cancellationToken);
    }

    private async Task CutPowerAsync(CancellationToken cancellationToken)
    {
        if (FirstProcess() is not { } first)
        {
            return;
        }

        // The silence comes first: a process that dies in a living network says goodbye to its peers, and one without power does not.
        await new LabNetwork(lab).DisconnectAsync(machine, cancellationToken);
        await Groups.ThawAsync(Group, cancellationToken);

        // Waits for the kernel to have ended everything: a namespace's first process is gone only after all the others.
        await HostCommand.TryShellAsync(
            $"kill -KILL {first}; i=0; while [ -e /proc/{first} ] && [ $i -lt 1000 ]; do sleep 0.01; i=$((i+1)); done",
            cancellationToken);
        File.Delete(ProcessFile);
    }

    /// <summary>Ends the machine and removes what the kernel keeps of it. The caller holds its lock, so that it is not switched on again meanwhile.</summary>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        await CutPowerAsync(cancellationToken);
        await Groups.ThawAsync(Group, cancellationToken);
        await Groups.KillAsync(Group, cancellationToken);
        await HostCommand.TryShellAsync(
            $"for i in 1 2 3; do grep -F ' {_hostSide}/' /proc/self/mountinfo | cut -d' ' -f5 | sort -r | xargs -r -n1 umount -l; done 2>/dev/null",
            cancellationToken);
        await Groups.RemoveAsync(Group, cancellationToken);
    }

    /// <summary>Halts every process of the machine where it stands.</summary>
    /// <exception cref="LabException">The machine is off: a halt would only wait there for the next start.</exception>
    public Task FreezeAsync(CancellationToken cancellationToken) => IsOn ? Groups.FreezeAsync(Group, cancellationToken) : throw IsOff();

    /// <summary>Undoes <see cref="FreezeAsync"/>.</summary>
    /// <exception cref="LabException">The machine is off.</exception>
    public Task ThawAsync(CancellationToken cancellationToken) => IsOn ? Groups.ThawAsync(Group, cancellationToken) : throw IsOff();

    /// <summary>Whether every process of the machine is halted.</summary>
    public bool IsHalted => IsOn && Groups.IsFrozen(Group);

    /// <summary>The components of the machine as the kernel sees them, whatever their supervisor believes.</summary>
    public IReadOnlyList<ComponentState> Components()
    {
        var components = MachineComponents.Read(new MachineDirectory(DataDirectory), Groups.ProcessesOf(Group));
        return IsHalted ? [.. components.Select(c => c.State == "running" ? c with { State = "stopped" } : c)] : components;
    }

    /// <summary>Switches the machine on if it is off, and lets go on what was halted of it.</summary>
    /// <returns>Whether there was anything to do.</returns>
    public async Task<bool> ReviveAsync(CancellationToken cancellationToken)
    {
        if (!IsOn)
        {
            await PowerOnAsync(cancellationToken);
            return true;
        }

        var halted = IsHalted;
        if (halted)
        {
            await ThawAsync(cancellationToken);
        }

        foreach (var component in Components().Where(c => c.State == "stopped"))
        {
            await SignalAsync(component.Name, ComponentSignal.Continue, cancellationToken);
            halted = true;
        }

        return halted;
    }

    /// <summary>Ends an <c>init</c> or <c>join</c> that a killed <c>up</c> left behind; both take up where they were stopped.</summary>
    public async Task EndSetUpAsync(CancellationToken cancellationToken)
    {
        foreach (var process in Groups.ProcessesOf(Group))
        {
            string[] words;
            try
            {
                words = (await File.ReadAllTextAsync($"/proc/{process}/cmdline", cancellationToken)).Split('\0');
            }
            catch (IOException)
            {
                continue; // it has ended meanwhile
            }

            if (words.Any(w => w is "init" or "join") && words.Contains(DataDirectory))
            {
                await HostCommand.TryShellAsync($"kill -KILL {process}", cancellationToken);
            }
        }
    }

    /// <summary>Breaks or mends a component, or with none named the whole machine.</summary>
    /// <exception cref="LabException">There is no such component, or it is not running.</exception>
    public async Task SignalAsync(string? component, ComponentSignal signal, CancellationToken cancellationToken)
    {
        if (component is null)
        {
            await (signal switch
            {
                ComponentSignal.Kill => PowerOffAsync(cancellationToken),
                ComponentSignal.Stop => FreezeAsync(cancellationToken),
                ComponentSignal.Continue => ThawAsync(cancellationToken),
                _ => PowerOnAsync(cancellationToken),
            });
            return;
        }

        if (!MachineComponents.Names.Contains(component))
        {
            throw new LabException($"there is no component \"{component}\": choose one of {string.Join(", ", MachineComponents.Names)}");
        }

        var state = Components().FirstOrDefault(c => c.Name == component);
        if (signal == ComponentSignal.Start)
        {
            if (state?.ProcessId is null)
            {
                await StartComponentAsync(component, cancellationToken);
                return;
            }

            signal = ComponentSignal.Continue;
        }

        if (state?.ProcessId is not { } process)
        {
            throw IsOn ? new LabException($"{component} is not running on {machine.Name}") : IsOff();
        }

        await HostCommand.RunAsync("/bin/sh", ["-c", $"kill -{MachineComponents.NameOf(signal)} {process}"], cancellationToken);
    }

    // The machine starts its supervisor by itself, and the supervisor the rest; it can only be told not to wait any longer.
    private async Task StartComponentAsync(string component, CancellationToken cancellationToken)
    {
        try
        {
            var answer = component == "supervisor"
                ? new SupervisorResponse()
                : await new SupervisorClient(new MachineDirectory(DataDirectory)).SendAsync(new SupervisorRequest("start", component), cancellationToken);
            if (answer.Error is { } error)
            {
                throw new LabException(error);
            }
        }
        catch (SupervisorUnavailableException e)
        {
            throw IsOn ? new LabException(e.Message) : IsOff();
        }
    }

    /// <summary>Runs a program on the machine to its end.</summary>
    /// <returns>Exit code and what it printed.</returns>
    /// <exception cref="LabException">The machine is off.</exception>
    public Task<(int ExitCode, string Output)> TryRunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        var first = FirstProcess() ?? throw IsOff();
        return HostCommand.TryRunAsync(
            "/bin/sh",
            ["-c", $"{Groups.EnterScript(Group)}\nexec nsenter --target {first} --mount --uts --ipc --net --pid --cgroup -- \"$@\"", "lab", .. command],
            null,
            cancellationToken);
    }

    /// <summary>Runs a program on the machine that must succeed.</summary>
    /// <exception cref="LabException">The machine is off, or the program failed; the message holds its last words.</exception>
    public async Task<string> RunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        var (code, output) = await TryRunAsync(command, cancellationToken);
        if (code == 0)
        {
            return output;
        }

        // What it did before stands above what went wrong, and goes without saying.
        var words = output.LastIndexOf("trireme: ", StringComparison.Ordinal) is >= 0 and var at ? output[(at + "trireme: ".Length)..] : output;
        throw new LabException($"{machine.Name}: {(words.Length > 0 ? words : $"'{string.Join(' ', command)}' failed with exit code {code}")}");
    }

    private LabException IsOff() => new($"machine {machine.Name} is powered off: 'trireme lab poweron {machine.Name}' starts it");

    /// <summary>Process id, on the host, of the machine's process 1; null when the machine is off.</summary>
    private int? FirstProcess()
    {
        if (!File.Exists(ProcessFile) || !int.TryParse(File.ReadAllText(ProcessFile).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var holder))
        {
            return null;
        }

        // After a reboot of the host the number may belong to another process: the holder's children tell.
        var children = $"/proc/{holder}/task/{holder}/children";
        try
        {
            var command = File.ReadAllText($"/proc/{holder}/cmdline");
            if (!command.Contains(_hostSide, StringComparison.Ordinal))
            {
                return null;
            }

            var child = File.ReadAllText(children).Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
            return child is null ? null : int.Parse(child, CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string FirstProcessScript(LabNetwork network, string script) => Groups.FirstProcessScript(
        Group,
        $"echo $$ > \"{ProcessFile}\"",
        $"nsenter --net={LabNetwork.FileOf(network.NamespaceOf(machine.Name))}",
        $"--mount --uts --ipc --pid --fork --mount-proc --kill-child=KILL /bin/sh \"{script}\"");

    private string InitScript() =>
        $"""
        hostname {machine.Name}
        mount --make-rprivate /
        {Groups.RemountScript}
        mount --make-rshared /
        mkdir -p /run/netns /run/containerd "{DataDirectory}"
        umount /run/netns 2>/dev/null
        mount -t tmpfs -o mode=755 tmpfs /run/netns
        mount -t tmpfs -o mode=755 tmpfs /run/containerd
        echo 1 > /proc/sys/net/ipv4/ip_forward
        : > "{_hostSide}/up"
        while :; do
          # No process but the one that waits: this runs four times a second on every machine.
          id= words=
          [ -e "{DataDirectory}/run/supervisor.pid" ] && read -r id rest < "{DataDirectory}/run/supervisor.pid"
          [ -n "$id" ] && [ -e "/proc/$id/cmdline" ] && read -r words < "/proc/$id/cmdline"
          case "$words" in
            *supervisor*) ;;
            *) if [ -e "{_hostSide}/set-up" ]; then
                 setsid "{program}" supervisor --data-dir "{DataDirectory}" >> "{new MachineDirectory(DataDirectory).LogOf("supervisor")}" 2>&1 < /dev/null &
                 sleep 2 & wait $!
               fi ;;
          esac
          sleep 0.25 & wait $!
        done
        """;
}
