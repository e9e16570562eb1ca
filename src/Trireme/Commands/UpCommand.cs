using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Spectre.Console;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Lab;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme up</c>: a real highly available cluster on this machine.</summary>
internal static class UpCommand
{
    public static Command Create()
    {
        var name = LabOptions.Name();
        var servers = new Option<int?>("--servers") { Description = "Machines with a control plane [default: 3, which tolerate the loss of one]" };
        var workers = new Option<int?>("--workers") { Description = "Machines that only run pods [default: 0]" };
        var zones = new Option<int?>("--zones") { Description = "Failure zones, over which machines are dealt in turn [default: 3]" };
        var noEgress = new Option<bool>("--no-egress") { Description = "Machines reach nothing outside the lab" };
        var simulate = new Option<bool>("--simulate-nodes") { Description = "Pods turn Running without containers; needs neither root nor containerd" };
        var demo = new Option<bool>("--demo") { Description = "Deploy a small workload and show how to reach it" };
        var noInstall = new Option<bool>("--no-install") { Description = "Install nothing; say what is missing" };
        return new Command("up", "Start a highly available cluster of lab machines on this host, or bring it back to full strength")
        {
            name, servers, workers, zones, noEgress, simulate, demo, noInstall,
        }.Runs(async (parsed, cancellationToken) =>
        {
            var asked = new LabSize(parsed.GetValue(servers), parsed.GetValue(workers), parsed.GetValue(zones), parsed.GetValue(noEgress), parsed.GetValue(simulate));
            return await UpAsync(parsed.GetRequiredValue(name), asked, parsed.GetValue(demo), cancellationToken);
        });
    }

    private static async Task<int> UpAsync(string name, LabSize asked, bool demo, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var plan = new LabPlan(name, asked.Servers ?? 3, asked.Workers ?? 0, asked.Zones ?? 3, Egress: !asked.NoEgress, asked.Simulated);
        try
        {
            plan.Lay(1);
        }
        catch (LabException e)
        {
            throw new UsageException(e.Message);
        }

        var store = LabStore.Default();
        var spec = store.Find(name);
        if (!(spec?.Simulated ?? plan.Simulated))
        {
            HostRequirements.Check();
        }

        using var guard = await store.LockLabAsync(name, time, cancellationToken);
        spec = store.Find(name);
        var created = spec is null;
        if (spec is not null)
        {
            EnsureSameSize(asked, spec);
        }

        spec ??= store.Create(plan);
        var lab = new LabHost(store, spec, Environment.ProcessPath!);
        var zones = spec.Machines.Select(m => m.Zone).Distinct().Count();
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[bold]{(created ? "Building" : "Starting")} lab {spec.Name}[/]: {spec.Machines.Count(m => m.Server)} servers, {spec.Machines.Count(m => !m.Server)} workers, {zones} zones{(spec.Egress ? "" : ", no egress")}");
        if (spec.Simulated)
        {
            AnsiConsole.MarkupLine("[yellow]simulated nodes: no container runs[/]");
        }

        try
        {
            var bringUp = new LabBringUp(lab, time, ShowProgress);
            var ready = await bringUp.RunAsync(cancellationToken);
            if (demo)
            {
                using var client = ApiClient.Create(Kubeconfig.Load(store.KubeconfigOf(spec.Name)), NullLoggerFactory.Instance, time, Versions.UserAgent("up"));
                await DemoWorkload.DeployAsync(client, time, cancellationToken);
            }

            ShowMachines(lab, ready);
            if (demo)
            {
                AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"demo:       curl {DemoWorkload.UrlOf(spec)}");
            }

            return CommandFailure.Success;
        }
        catch (Exception e) when (created && e is OperationCanceledException)
        {
            Console.Error.WriteLine($"trireme: stopped; removing the half-built lab {spec.Name}");
            await lab.RemoveAsync(CancellationToken.None);
            guard.Dispose();
            store.DeleteIfEmpty();
            throw;
        }
    }

    // What was not asked for is as it was built: 'up' alone brings back any lab.
    private static void EnsureSameSize(LabSize asked, LabSpec spec)
    {
        var servers = spec.Machines.Count(m => m.Server);
        var workers = spec.Machines.Count - servers;
        var zones = spec.Machines.Select(m => m.Zone).Distinct().Count();
        if ((asked.Servers ?? servers) != servers || (asked.Workers ?? workers) != workers || (asked.Zones is { } wanted && Math.Min(wanted, Math.Max(servers, workers)) != zones)
            || (asked.NoEgress && spec.Egress) || (asked.Simulated && !spec.Simulated))
        {
            throw new LabException($"lab \"{spec.Name}\" is there with {servers} servers, {workers} workers and {zones} zones{(spec.Egress ? "" : ", no egress")}{(spec.Simulated ? ", simulated" : "")}: run 'trireme up --name {spec.Name}' for it as it is, 'trireme down --name {spec.Name}' first, or choose another --name");
        }
    }

    private static void ShowProgress(LabProgress progress)
    {
        lock (typeof(UpCommand))
        {
            AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{progress.Elapsed.TotalSeconds,6:0.0} s[/]  [blue]{progress.Machine,-10}[/] {progress.Step}");
        }
    }

    private static void ShowMachines(LabHost lab, IReadOnlyDictionary<string, TimeSpan> ready)
    {
        var table = Tables.Create("MACHINE", "ZONE", "ADDRESS", "ROLES", "VERSION", "READY AFTER");
        foreach (var machine in lab.Spec.Machines)
        {
            var after = ready.TryGetValue(machine.Name, out var span) ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s") : "-";
            table.AddRow(machine.Name, machine.Zone, machine.Address, machine.Server ? "control-plane" : "worker", Versions.Kubernetes, after);
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"kubeconfig: {lab.Store.KubeconfigOf(lab.Spec.Name)}");
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]export KUBECONFIG=$({(lab.Spec.Name == "default" ? "trireme kubeconfig" : $"trireme kubeconfig --name {lab.Spec.Name}")}); kubectl get nodes[/]");
    }

    /// <summary>What the command line says about the lab; null where it says nothing.</summary>
    private sealed record LabSize(int? Servers, int? Workers, int? Zones, bool NoEgress, bool Simulated);
}
