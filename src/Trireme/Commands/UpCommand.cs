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
        var servers = new Option<int>("--servers") { Description = "Machines with a control plane (3 tolerate the loss of one)", DefaultValueFactory = _ => 3 };
        var workers = new Option<int>("--workers") { Description = "Machines that only run pods", DefaultValueFactory = _ => 0 };
        var zones = new Option<int>("--zones") { Description = "Failure zones, over which machines are dealt in turn", DefaultValueFactory = _ => 3 };
        var noEgress = new Option<bool>("--no-egress") { Description = "Machines reach nothing outside the lab" };
        var simulate = new Option<bool>("--simulate-nodes") { Description = "Pods turn Running without containers; needs neither root nor containerd" };
        var demo = new Option<bool>("--demo") { Description = "Deploy a small workload and show how to reach it" };
        var noInstall = new Option<bool>("--no-install") { Description = "Install nothing; say what is missing" };
        return new Command("up", "Start a highly available cluster of lab machines on this host, or bring it back to full strength")
        {
            name, servers, workers, zones, noEgress, simulate, demo, noInstall,
        }.Runs(async (parsed, cancellationToken) =>
        {
            var plan = new LabPlan(
                parsed.GetRequiredValue(name),
                parsed.GetRequiredValue(servers),
                parsed.GetRequiredValue(workers),
                parsed.GetRequiredValue(zones),
                Egress: !parsed.GetValue(noEgress),
                Simulated: parsed.GetValue(simulate));
            return await UpAsync(plan, parsed.GetValue(demo), cancellationToken);
        });
    }

    private static async Task<int> UpAsync(LabPlan plan, bool demo, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        plan.Lay(1);
        if (!plan.Simulated)
        {
            HostRequirements.Check();
        }

        var store = LabStore.Default();
        using var guard = store.LockLab(plan.Name);
        var spec = store.Find(plan.Name);
        var created = spec is null;
        if (spec is not null)
        {
            EnsureSamePlan(plan, spec);
        }

        spec ??= store.Create(plan);
        var lab = new LabHost(store, spec, Environment.ProcessPath!);
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[bold]{(created ? "Building" : "Starting")} lab {spec.Name}[/]: {plan.Servers} servers, {plan.Workers} workers, {plan.Zones} zones{(plan.Egress ? "" : ", no egress")}{(plan.Simulated ? ", [yellow]simulated nodes: no container runs[/]" : "")}");
        try
        {
            var bringUp = new LabBringUp(lab, time, ShowProgress);
            var ready = await bringUp.RunAsync(created, cancellationToken);
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
            throw;
        }
    }

    private static void EnsureSamePlan(LabPlan plan, LabSpec spec)
    {
        var servers = spec.Machines.Count(m => m.Server);
        if (servers != plan.Servers || spec.Machines.Count != plan.Servers + plan.Workers || spec.Simulated != plan.Simulated)
        {
            throw new LabException($"lab \"{spec.Name}\" is there with {servers} servers and {spec.Machines.Count - servers} workers{(spec.Simulated ? ", simulated" : "")}: run 'trireme down --name {spec.Name}' first, or choose another --name");
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
        var table = new Table().Border(TableBorder.Rounded).AddColumns("MACHINE", "ZONE", "ADDRESS", "ROLES", "VERSION", "READY AFTER");
        foreach (var machine in lab.Spec.Machines)
        {
            var after = ready.TryGetValue(machine.Name, out var span) ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s") : "-";
            table.AddRow(machine.Name, machine.Zone, machine.Address, machine.Server ? "control-plane" : "worker", Versions.Kubernetes, after);
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"kubeconfig: {lab.Store.KubeconfigOf(lab.Spec.Name)}");
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]export KUBECONFIG=$({(lab.Spec.Name == "default" ? "trireme kubeconfig" : $"trireme kubeconfig --name {lab.Spec.Name}")}); kubectl get nodes[/]");
    }
}
