using System.CommandLine;
using System.Net;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Output;
using Trireme.Proxy;

namespace Trireme.Commands;

/// <summary><c>trireme proxy</c>: services, routes and pod network of one node.</summary>
internal static class ProxyCommand
{
    public static Command Create()
    {
        var kubeconfig = new Option<string>("--kubeconfig") { Description = "File with the API servers and this node's identity", Required = true };
        var node = new Option<string>("--hostname-override") { Description = "Name of the node", DefaultValueFactory = _ => Environment.MachineName };
        var clusterCidr = new Option<string>("--cluster-cidr") { Description = "Range of all pod addresses", DefaultValueFactory = _ => "10.201.0.0/16" };
        var serviceCidr = new Option<string>("--service-cluster-ip-range") { Description = "Range of service addresses", DefaultValueFactory = _ => "10.96.0.0/16" };
        var cniConfig = new Option<string?>("--cni-conf-dir") { Description = "Folder of the runtime's network configuration; without it the pod network is left to others" };
        var cniState = new Option<string>("--cni-state-dir") { Description = "Folder of the pod network's address leases", DefaultValueFactory = _ => "/var/lib/cni/networks" };
        var state = new Option<string?>("--state-dir") { Description = "Folder for the last known rules, applied at a start without an API server" };
        var mtu = new Option<int>("--mtu") { Description = "Largest packet of the pod network; 0 leaves it to the kernel" };
        var healthAddress = ComponentFlags.Address("--healthz-bind-address", "Address of the health endpoints", IPAddress.Loopback);
        var healthPort = new Option<int>("--healthz-port") { Description = "Port of the health endpoints", DefaultValueFactory = _ => 10256 };
        var verbosity = ComponentFlags.Verbosity();
        return new Command("proxy", "Run the network proxy of a node")
        {
            kubeconfig, node, clusterCidr, serviceCidr, cniConfig, cniState, state, mtu, healthAddress, healthPort, verbosity,
        }.Runs(async (parsed, cancellationToken) =>
        {
            var time = TimeProvider.System;
            using var signals = new ShutdownSignals();
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(signals.Token, cancellationToken);
            using var loggers = ComponentFlags.CreateLoggers(parsed, verbosity, time);
            using var client = ApiClient.Create(Kubeconfig.Load(parsed.GetRequiredValue(kubeconfig)), loggers, time, Versions.UserAgent("proxy"));
            var options = new ProxyOptions
            {
                NodeName = parsed.GetRequiredValue(node),
                ClusterCidr = parsed.GetRequiredValue(clusterCidr),
                ServiceCidr = parsed.GetRequiredValue(serviceCidr),
                CniConfigFolder = parsed.GetValue(cniConfig),
                CniStateFolder = parsed.GetRequiredValue(cniState),
                StateFolder = parsed.GetValue(state),
                Mtu = parsed.GetValue(mtu),
                HealthAddress = parsed.GetRequiredValue(healthAddress),
                HealthPort = parsed.GetValue(healthPort),
            };
            await ProxyHost.RunAsync(options, client, loggers, time, stop.Token);
            return CommandFailure.Success;
        });
    }
}
