namespace Trireme.Lab.Network;

/// <summary>Sees to it that no packet for a lab's ranges leaves the host, and lets the lab's machines out where the user wants that.</summary>
/// <remarks>
/// Three layers, as each has a moment in which it is not there: unreachable routes on the host (they stay when an interface goes), a
/// filter on everything that is forwarded to or leaves with a lab's address, and the routes and filters inside the machines.
/// The guard is closed before the first cable is laid and opened for egress last; removal goes the other way round. It stands while the lab does: with
/// the lab its addresses are the host's default route's again.
/// </remarks>
internal static class HostGuard
{
    private const string ForwardingBefore = "/run/trireme-ip-forward";

    /// <summary>Refuses everything for the lab's ranges that has no more specific route.</summary>
    public static async Task CloseAsync(LabSpec lab, CancellationToken cancellationToken)
    {
        var a = lab.Addresses;
        foreach (var range in new[] { a.MachineRange, a.PodRange, a.ServiceRange })
        {
            await HostCommand.TryRunAsync("ip", ["route", "add", "unreachable", range, "metric", "4000"], null, cancellationToken);
        }

        await HostCommand.RunAsync("nft", ["-f", "-"], cancellationToken, Filter(lab, egress: false));
    }

    /// <summary>Lets machines reach addresses outside, if the lab has egress.</summary>
    public static async Task OpenAsync(LabSpec lab, CancellationToken cancellationToken)
    {
        if (!lab.Egress)
        {
            return;
        }

        await HostCommand.RunAsync("nft", ["-f", "-"], cancellationToken, Filter(lab, egress: true));
        await HostCommand.ShellAsync(
            $"[ -e {ForwardingBefore} ] || cat /proc/sys/net/ipv4/ip_forward > {ForwardingBefore}; echo 1 > /proc/sys/net/ipv4/ip_forward",
            cancellationToken);
    }

    /// <summary>Takes the guard away after the lab's interface is gone. Host-wide settings go with the last lab.</summary>
    public static async Task RemoveAsync(LabSpec lab, CancellationToken cancellationToken)
    {
        var a = lab.Addresses;
        await HostCommand.TryRunAsync("nft", ["delete", "table", "inet", TableOf(lab)], null, cancellationToken);
        await HostCommand.TryRunAsync("ip", ["route", "flush", "root", a.PodRange], null, cancellationToken);
        foreach (var range in new[] { a.MachineRange, a.PodRange })
        {
            await HostCommand.TryRunAsync("ip", ["route", "del", "unreachable", range, "metric", "4000"], null, cancellationToken);
        }

        var (_, tables) = await HostCommand.TryRunAsync("nft", ["list", "tables"], null, cancellationToken);
        if (!tables.Contains("inet trireme-lab-", StringComparison.Ordinal))
        {
            await HostCommand.TryRunAsync("ip", ["route", "del", "unreachable", a.ServiceRange, "metric", "4000"], null, cancellationToken);

            // Whoever else translates addresses by now (Docker, virtual machines, a cluster's node) needs forwarding, whether or not it found it switched on.
            await HostCommand.TryShellAsync(
                $"{{ nft list ruleset; iptables-save -t nat; }} 2> /dev/null | grep -qi masquerade || {{ [ -e {ForwardingBefore} ] && cat {ForwardingBefore} > /proc/sys/net/ipv4/ip_forward; }}; rm -f {ForwardingBefore}",
                cancellationToken);
        }
    }

    public static string TableOf(LabSpec lab) => $"trireme-lab-{lab.Name}";

    private static string Filter(LabSpec lab, bool egress)
    {
        var a = lab.Addresses;
        var name = TableOf(lab);
        var ranges = $"{{ {a.MachineRange}, {a.PodRange}, {a.ServiceRange} }}";
        var own = $"{{ {a.MachineRange}, {a.PodRange} }}";
        return $$"""
            table inet {{name}} { }
            flush table inet {{name}}
            table inet {{name}} {
              chain forward {
                type filter hook forward priority -10;
                iifname "{{a.HostInterface}}" ip daddr {{ranges}} drop
                {{(egress ? "" : $"iifname \"{a.HostInterface}\" drop")}}
                oifname != "{{a.HostInterface}}" ip daddr {{own}} drop
              }
              chain output {
                type filter hook output priority 10;
                oifname != { "{{a.HostInterface}}", "lo" } ip daddr {{ranges}} drop
              }
              chain postrouting {
                type nat hook postrouting priority 100;
                {{(egress ? $"iifname \"{a.HostInterface}\" oifname != \"{a.HostInterface}\" masquerade" : "")}}
              }
            }
            """;
    }
}
