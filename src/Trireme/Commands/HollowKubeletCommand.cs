using System.CommandLine;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Kubelet.Hollow;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme hollow-kubelet</c>: simulated nodes, for control planes without root and for measurements.</summary>
internal static class HollowKubeletCommand
{
    public static Command Create()
    {
        var defaults = new HollowOptions { Nodes = [] };
        var kubeconfig = new Option<string>("--kubeconfig") { Description = "File with the API servers and an identity that may write nodes", HelpName = "FILE", Required = true };
        var nodes = new Option<int>("--nodes") { Description = "How many nodes to simulate, hollow-0 and on" };
        var named = new Option<string[]>("--node") { Description = "A node by name, NAME or NAME=ZONE; may be repeated", DefaultValueFactory = _ => [] };
        var zones = new Option<int>("--zones") { Description = "Spreads the nodes of --nodes over so many zones" };
        var cpu = new Option<int>("--cpu") { Description = "Cores of each node", DefaultValueFactory = _ => defaults.Cpu };
        var memory = new Option<string>("--memory") { Description = "Memory of each node", DefaultValueFactory = _ => defaults.Memory };
        var maxPods = new Option<int>("--max-pods") { Description = "Pods that each node takes", DefaultValueFactory = _ => defaults.MaxPods };
        var verbosity = ComponentFlags.Verbosity();
        return new Command("hollow-kubelet", "Simulate nodes that run nothing")
        {
            kubeconfig, nodes, named, zones, cpu, memory, maxPods, verbosity,
        }.Runs(async (parsed, cancellationToken) =>
        {
            var time = TimeProvider.System;
            using var signals = new ShutdownSignals();
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(signals.Token, cancellationToken);
            using var loggers = ComponentFlags.CreateLoggers(parsed, verbosity, time);
            using var client = ApiClient.Create(Kubeconfig.Load(parsed.GetRequiredValue(kubeconfig)), loggers, time, Versions.UserAgent("hollow-kubelet"));
            var all = parsed.GetRequiredValue(named).Select(n => n.Split('=', 2)).Select(p => (p[0], p is [_, { Length: > 0 } zone] ? zone : null))
                .Concat(Enumerable.Range(0, parsed.GetValue(nodes)).Select(i => ($"hollow-{i}", parsed.GetValue(zones) is > 0 and var z ? $"zone-{(i % z) + 1}" : null)))
                .ToList();
            if (all.Count == 0)
            {
                return CommandFailure.Report("no nodes to simulate: give --nodes N or --node NAME");
            }

            var options = new HollowOptions
            {
                Nodes = all,
                Cpu = parsed.GetValue(cpu),
                Memory = parsed.GetRequiredValue(memory),
                MaxPods = parsed.GetValue(maxPods),
            };
            await new HollowKubelet(options, client, loggers, time).RunAsync(stop.Token);
            return CommandFailure.Success;
        });
    }
}
