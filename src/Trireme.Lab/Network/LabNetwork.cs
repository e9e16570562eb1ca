using System.Globalization;
using System.Text;

namespace Trireme.Lab.Network;

/// <summary>The cables of a lab: a switch, a network namespace per machine, and a leg for the host.</summary>
/// <remarks>
/// The switch is a bridge in a namespace of its own, so that nothing of it shows on the host but one interface. Everything is found by
/// name, so that removal works after a crash at any point and more than once.
/// </remarks>
public sealed class LabNetwork(LabSpec lab)
{
    private readonly LabAddresses _addresses = lab.Addresses;

    private string Switch => NamespaceOf("switch");

    /// <summary>Name of a machine's network namespace on the host.</summary>
    public string NamespaceOf(string machine) => $"trireme-{lab.Name}-{machine}";

    /// <summary>Whether the switch and the cables of the machines that are on lie as they were laid.</summary>
    public async Task<bool> IsWholeAsync(CancellationToken cancellationToken)
    {
        var script = new StringBuilder("set -e\nexec > /dev/null 2>&1\n");
        script.Append(CultureInfo.InvariantCulture, $"ip link show dev {_addresses.HostInterface}\nnft list table inet {HostGuard.TableOf(lab)}\nip -n {Switch} link show dev br0\n");
        foreach (var machine in lab.Machines)
        {
            var space = NamespaceOf(machine.Name);
            script.Append(CultureInfo.InvariantCulture, $"if [ -e {FileOf(space)} ]; then ip -n {Switch} link show dev {machine.Name}; ip -n {space} -4 -o addr show dev eth0 | grep -q ' {machine.Address}/'; fi\n");
        }

        return (await HostCommand.TryRunAsync("/bin/sh", ["-c", script.ToString()], null, cancellationToken)).ExitCode == 0;
    }

    /// <summary>Builds the switch and the host's leg; machines are connected when they are switched on.</summary>
    /// <exception cref="LabException">A tool failed; what was laid before is taken up by <see cref="RemoveAsync"/>.</exception>
    public async Task CreateAsync(CancellationToken cancellationToken)
    {
        await HostGuard.CloseAsync(lab, cancellationToken);
        await IpAsync($"netns add {Switch}", cancellationToken);
        await IpAsync(
            $"""
            link add {_addresses.HostInterface} type veth peer name host netns {Switch}
            addr add {_addresses.Host}/24 dev {_addresses.HostInterface}
            link set {_addresses.HostInterface} up
            """,
            cancellationToken);
        await IpAsync(
            """
            link add br0 type bridge
            link set br0 up
            link set lo up
            link set host master br0
            link set host up
            """,
            cancellationToken,
            Switch);
        await HostGuard.OpenAsync(lab, cancellationToken);
    }

    /// <summary>Routes from the host to the pods of each node, so that a user can reach a pod's address as on a machine of the cluster.</summary>
    /// <param name="podRanges">Node name and the pod range it was given.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task RoutePodsAsync(IEnumerable<(string Machine, string PodRange)> podRanges, CancellationToken cancellationToken)
    {
        var batch = new StringBuilder();
        foreach (var (machine, podRange) in podRanges)
        {
            batch.Append("route replace ").Append(podRange).Append(" via ").AppendLine(lab.Machine(machine).Address);
        }

        await IpAsync(batch.ToString(), cancellationToken);
    }

    /// <summary>Cuts a machine off from another, or from everything, in both directions.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="other">The other end; null for all others and the host.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <exception cref="LabException">The lab has no switch.</exception>
    public async Task CutAsync(LabMachine machine, LabMachine? other, CancellationToken cancellationToken)
    {
        EnsureSwitch();
        await HostCommand.RunAsync("nsenter", ["--net=" + FileOf(Switch), "nft", "-f", "-"], cancellationToken, PartitionTable + Elements("add", machine, other));
    }

    /// <summary>Undoes <see cref="CutAsync"/>; with no other end given, everything that was cut at this machine.</summary>
    /// <exception cref="LabException">The lab has no switch.</exception>
    public async Task HealAsync(LabMachine machine, LabMachine? other, CancellationToken cancellationToken)
    {
        EnsureSwitch();
        if (other is not null)
        {
            // Adding first makes deleting an element that is not there no error.
            var script = PartitionTable + Elements("add", machine, other) + Elements("delete", machine, other);
            await HostCommand.RunAsync("nsenter", ["--net=" + FileOf(Switch), "nft", "-f", "-"], cancellationToken, script);
            return;
        }

        foreach (var end in lab.Machines.Where(m => m != machine))
        {
            await HealAsync(machine, end, cancellationToken);
        }

        var alone = PartitionTable + Elements("add", machine, null) + Elements("delete", machine, null);
        await HostCommand.RunAsync("nsenter", ["--net=" + FileOf(Switch), "nft", "-f", "-"], cancellationToken, alone);
    }

    /// <summary>Undoes every <see cref="CutAsync"/>.</summary>
    public async Task HealAllAsync(CancellationToken cancellationToken) => await HostCommand.RunAsync(
        "nsenter", ["--net=" + FileOf(Switch), "nft", "-f", "-"], cancellationToken, PartitionTable + "flush set bridge lab cut\nflush set bridge lab severed\n");

    /// <summary>Lets machines out where the lab has egress, whatever came in between since the network was laid.</summary>
    public Task OpenAsync(CancellationToken cancellationToken) => HostGuard.OpenAsync(lab, cancellationToken);

    /// <summary>Takes up all cables. Does nothing where nothing is.</summary>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        await HostGuard.CloseAsync(lab, cancellationToken);
        foreach (var name in lab.Machines.Select(m => NamespaceOf(m.Name)).Append(Switch))
        {
            await HostCommand.TryRunAsync("ip", ["netns", "del", name], null, cancellationToken);
        }

        await HostCommand.TryRunAsync("ip", ["link", "del", _addresses.HostInterface], null, cancellationToken);
        await HostGuard.RemoveAsync(lab, cancellationToken);
    }

    /// <summary>Path that programs enter a namespace by.</summary>
    public static string FileOf(string @namespace) => $"/run/netns/{@namespace}";

    private const string PartitionTable =
        """
        table bridge lab {
          set cut { type ifname; }
          set severed { type ifname . ifname; }
          chain forward {
            type filter hook forward priority 0;
          }
        }
        flush chain bridge lab forward
        table bridge lab {
          chain forward {
            iifname @cut drop
            oifname @cut drop
            iifname . oifname @severed drop
          }
        }

        """;

    private static string Elements(string verb, LabMachine machine, LabMachine? other) => other is null
        ? $"{verb} element bridge lab cut {{ {machine.Name} }}\n"
        : $"{verb} element bridge lab severed {{ {machine.Name} . {other.Name}, {other.Name} . {machine.Name} }}\n";

    /// <summary>Gives a machine a network as it is after a cold start: one cable, its own address, and no way for lab packets but through the cable.</summary>
    /// <exception cref="LabException">A tool failed.</exception>
    public async Task ConnectAsync(LabMachine machine, CancellationToken cancellationToken)
    {
        var number = lab.Machines.Select((m, i) => (Machine: m, Number: i + 1)).First(m => m.Machine == machine).Number;
        var space = NamespaceOf(machine.Name);
        await DisconnectAsync(machine, cancellationToken);
        await IpAsync($"netns add {space}", cancellationToken);
        await IpAsync($"link add eth0 address {MacOf(number)} type veth peer name {machine.Name} netns {Switch}", cancellationToken, space);
        await IpAsync($"link set {machine.Name} master br0\nlink set {machine.Name} up", cancellationToken, Switch);
        await IpAsync(
            $"""
            link set lo up
            addr add {machine.Address}/24 dev eth0
            link set eth0 up
            route add unreachable {_addresses.MachineRange} metric 4000
            route add unreachable {_addresses.PodRange} metric 4000
            route add default via {_addresses.Host}
            """,
            cancellationToken,
            space);

        // A service address that no rule has translated yet must not follow the default route. Routing comes before translation
        // on the way out, so a route cannot refuse it; a filter behind the translation can.
        await HostCommand.RunAsync(
            "nsenter",
            ["--net=" + FileOf(space), "nft", "-f", "-"],
            cancellationToken,
            $$"""
            table ip trireme-lab {
              chain output { type filter hook output priority 10; ip daddr {{_addresses.ServiceRange}} reject with icmp type host-unreachable; }
              chain forward { type filter hook forward priority 10; ip daddr {{_addresses.ServiceRange}} reject with icmp type host-unreachable; }
            }
            """);
    }

    /// <summary>
    /// Takes a machine's network away with its cable, addresses, routes and rules, so that to the others it is as silent as one without power.
    /// Does nothing where nothing is.
    /// </summary>
    public async Task DisconnectAsync(LabMachine machine, CancellationToken cancellationToken)
    {
        // By the switch's end first: a namespace lives on while a process or a file holds it.
        await HostCommand.TryRunAsync("ip", ["-n", Switch, "link", "del", machine.Name], null, cancellationToken);
        await HostCommand.TryRunAsync("ip", ["netns", "del", NamespaceOf(machine.Name)], null, cancellationToken);
    }

    // It goes with the host's power.
    private void EnsureSwitch()
    {
        if (!File.Exists(FileOf(Switch)))
        {
            throw new LabException($"the network of lab \"{lab.Name}\" is gone: 'trireme up --name {lab.Name}' lays it again");
        }
    }

    private string MacOf(int number) => $"02:54:52:{_addresses.Index:x2}:00:{number:x2}";

    private static async Task IpAsync(string batch, CancellationToken cancellationToken, string? @namespace = null)
    {
        IEnumerable<string> arguments = @namespace is null ? ["-batch", "-"] : ["-n", @namespace, "-batch", "-"];
        await HostCommand.RunAsync("ip", arguments, cancellationToken, batch);
    }
}
