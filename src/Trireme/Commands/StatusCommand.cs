using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Spectre.Console;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Cluster;
using Trireme.Cluster.Phases;
using Trireme.Cluster.Reporting;
using Trireme.Lab;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme status</c>: what holds the cluster up, and what of it can still be lost.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var dataDirectory = new Option<string?>("--data-dir") { Description = "Directory of a server on this machine", HelpName = "DIR" };
        var kubeconfig = new Option<string?>("--kubeconfig") { Description = "Kubeconfig of an administrator", HelpName = "FILE" };
        var name = LabOptions.Name();
        var output = LabOptions.Output();
        return new Command("status", "Show quorum, leaders, zones, and what can still be lost") { name, output, dataDirectory, kubeconfig }.Runs(async (parsed, cancellationToken) =>
        {
            var (directory, config) = Locate(parsed.GetValue(dataDirectory), parsed.GetValue(kubeconfig), parsed.GetRequiredValue(name), LabOptions.IsNamed(parsed, name));
            using var client = ApiClient.Create(
                Kubeconfig.Load(config).ToOptions() with { RequestTimeout = TimeSpan.FromSeconds(3) }, NullLoggerFactory.Instance, TimeProvider.System, Versions.UserAgent("status"));
            var status = await new ClusterStatusReader(client, directory, TimeProvider.System).ReadAsync(cancellationToken);
            if (parsed.GetValue(output) == "json")
            {
                Console.WriteLine(JsonSerializer.Serialize(status, ClusterStatusJson.Default.ClusterStatus));
            }
            else
            {
                Write(status);
            }

            return status switch
            {
                { Quorum: { Margin: < 0 } quorum } => CommandFailure.Report($"the store has no quorum ({status.Members.Count(m => m.Version.Length > 0)} of {quorum.Voters} members answer, {quorum.Needed} must agree): start servers that are off; writes stand still until then"),
                _ when status.ApiServers.All(s => !s.Ready) => CommandFailure.Report("no API server is ready: DATA-DIR/logs/apiserver.log on each server says why"),
                _ => CommandFailure.Success,
            };
        });
    }

    // What was given wins; then the machine that this is; then the lab on this host.
    private static (MachineDirectory? Directory, string Kubeconfig) Locate(string? dataDirectory, string? kubeconfig, string lab, bool named)
    {
        if (dataDirectory is not null)
        {
            var given = new MachineDirectory(Path.GetFullPath(dataDirectory));
            return (given, kubeconfig ?? Existing(given.AdminKubeconfig));
        }

        if (kubeconfig is not null)
        {
            return (null, Existing(kubeconfig));
        }

        var here = new MachineDirectory(MachineDirectory.DefaultRoot);
        if (!named && File.Exists(here.AdminKubeconfig))
        {
            return (here, here.AdminKubeconfig);
        }

        var store = LabStore.Default();
        if (store.Find(lab) is { } spec)
        {
            var host = new LabHost(store, spec, Environment.ProcessPath!);
            var server = spec.Machines.Where(m => m.Server).Select(m => new MachineDirectory(host.Machine(m.Name).DataDirectory)).FirstOrDefault(d => File.Exists(d.AdminKubeconfig));
            return (server, Existing(store.KubeconfigOf(spec.Name)));
        }

        if (named)
        {
            store.Get(lab);
        }

        throw new PhaseException("No cluster is known here: give --kubeconfig or --data-dir, or run 'trireme up'");
    }

    private static string Existing(string path) => File.Exists(path) ? path : throw new PhaseException($"{path} does not exist: give --kubeconfig");

    private static void Write(ClusterStatus status)
    {
        if (status.Quorum is { } quorum)
        {
            var colour = quorum.Margin > 0 ? "green" : quorum.Margin == 0 ? "yellow" : "red";
            AnsiConsole.MarkupLine($"[bold]Quorum[/] {quorum.Healthy} of {quorum.Voters} store members, {quorum.Needed} needed: [{colour}]{Markup.Escape(quorum.Summary)}[/]");
            var members = Tables.Create("STORE MEMBER", "ID", "STATE", "PEER", "VERSION", "SIZE");
            foreach (var m in status.Members)
            {
                var state = !m.Healthy ? "[red]down[/]" : m.Leader ? "[green]leader[/]" : m.Learner ? "[yellow]learner[/]" : "[green]follower[/]";
                members.AddRow(Markup.Escape(m.Machine.Length > 0 ? m.Machine : m.Name), m.Id, state, string.Join(' ', m.PeerUrls.Select(u => new Uri(u).Authority)), m.Version, $"{m.DatabaseBytes / 1024} KiB");
            }

            AnsiConsole.Write(members);
        }

        var servers = Tables.Create("API SERVER", "STATE");
        foreach (var s in status.ApiServers)
        {
            servers.AddRow(s.Address, s.Ready ? "[green]ready[/]" : $"[red]{Markup.Escape(s.Reason ?? "not ready")}[/]");
        }

        AnsiConsole.Write(servers);
        var leaders = Tables.Create("ELECTED", "HOLDER", "RENEWED", "CHANGES");
        foreach (var l in status.Leaders)
        {
            // Behind the machine's name stands only what tells one run of the process from the next.
            var holder = Markup.Escape(l.Holder.Split('_')[0]);
            leaders.AddRow(l.Component, l.Expired ? $"[red]{holder} (expired)[/]" : holder, MachineOptions.Format(l.Renewed), $"{l.Transitions}");
        }

        WriteRows(leaders);
        var nodes = Tables.Create("NODE", "ZONE", "ROLE", "STATE", "ADDRESS", "VERSION");
        foreach (var n in status.Nodes)
        {
            nodes.AddRow(n.Name, n.Zone, n.Server ? "server" : "worker", n.Ready ? "[green]ready[/]" : "[red]not ready[/]", n.Address, n.Version);
        }

        WriteRows(nodes);
        var zones = Tables.Create("ZONE", "NODES", "STORE MEMBERS", "CAN BE LOST");
        foreach (var z in status.Zones)
        {
            zones.AddRow(z.Name.Length > 0 ? z.Name : "(none)", $"{z.Nodes}", $"{z.Voters}", z.Expendable switch { true => "[green]yes[/]", false => "[red]no[/]", null => "?" });
        }

        WriteRows(zones);
        foreach (var warning in status.Warnings)
        {
            AnsiConsole.MarkupLine($"[yellow]{Markup.Escape(warning)}[/]");
        }
    }

    // What could not be read is named in the warnings; a table without a row would say that there is none.
    private static void WriteRows(Table table)
    {
        if (table.Rows.Count > 0)
        {
            AnsiConsole.Write(table);
        }
    }
}
