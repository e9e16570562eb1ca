using System.CommandLine;
using System.Net;
using Trireme.Cluster;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Phases;
using Trireme.Component.Flags;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme init</c>: makes this machine the first server of a new cluster.</summary>
internal static class InitCommand
{
    public static Command Create()
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var name = MachineOptions.NodeName();
        var address = ComponentFlags.Address("--advertise-address", "Address under which the other machines reach this one");
        var zone = MachineOptions.Zone();
        var endpoint = new Option<string?>("--control-plane-endpoint") { Description = "Load balancer or DNS name before the servers", HelpName = "HOST:PORT" };
        var virtualIP = ComponentFlags.Address("--virtual-ip", "Address that always belongs to a healthy server, held by keepalived");
        var podCidr = new Option<string>("--pod-cidr") { Description = "Range of pod addresses", DefaultValueFactory = _ => "10.201.0.0/16" };
        var serviceCidr = new Option<string>("--service-cidr") { Description = "Range of service addresses", DefaultValueFactory = _ => "10.96.0.0/16" };
        var token = MachineOptions.Token("Token by which machines join; made when not given");
        var key = MachineOptions.CertificateKey("Key that encrypts the certificate authorities for joining servers; made when not given");
        var schedulable = new Option<bool>("--schedulable") { Description = "Whether pods may run on this server", DefaultValueFactory = _ => true };
        var images = MachineOptions.ImageArchive();
        var dryRun = MachineOptions.DryRun();
        var verbosity = ComponentFlags.Verbosity();
        return new Command("init", "Make this machine the first server of a new cluster")
        {
            dataDirectory, name, address, zone, endpoint, virtualIP, podCidr, serviceCidr, token, key, schedulable, images, dryRun, verbosity,
        }.Runs(async (parsed, cancellationToken) =>
        {
            var directory = MachineOptions.Directory(parsed, dataDirectory);
            var wanted = new MachineConfig
            {
                Name = parsed.GetRequiredValue(name),
                AdvertiseAddress = parsed.GetValue(address) ?? MachineOptions.DefaultAddress(),
                Zone = parsed.GetValue(zone),
                ControlPlaneEndpoint = Endpoint(parsed.GetValue(endpoint)),
                VirtualIP = parsed.GetValue(virtualIP),
                PodCidr = Range(parsed.GetRequiredValue(podCidr), "--pod-cidr"),
                ServiceCidr = Range(parsed.GetRequiredValue(serviceCidr), "--service-cidr"),
                Schedulable = parsed.GetValue(schedulable),
                CreatedCluster = true,
            };
            var time = TimeProvider.System;
            using var loggers = MachineOptions.Loggers(parsed, verbosity, time);
            using var context = new PhaseContext(directory, MachineSetup.ForInit(directory, wanted), loggers, time)
            {
                Say = Console.WriteLine,
                Token = parsed.GetValue(token),
                CertificateKey = parsed.GetValue(key),
                ImageArchive = parsed.GetValue(images),
            };
            await PhaseRunner.RunAsync(Workflows.Init, context, parsed.GetValue(dryRun), cancellationToken);
            if (!parsed.GetValue(dryRun))
            {
                Explain(context);
            }

            return CommandFailure.Success;
        });
    }

    private static void Explain(PhaseContext context)
    {
        var join = JoinCommandLine.Create(context.Directory, context.Config, context.Token!, context.CertificateKey);
        Console.WriteLine($"""

            The cluster is there. Use it:
              export KUBECONFIG={context.Directory.AdminKubeconfig}
            Two more servers make it highly available; on each:
              {join.Server}
            A machine that only runs pods:
              {join.Worker}
            The token is valid for 24 hours; 'trireme token create --print-join-command' makes another.
            """);
    }

    private static string Range(string text, string option) =>
        IPNetwork.TryParse(text, out _) ? text : throw new UsageException($"{option} {text} is no address range: want for example 10.96.0.0/16");

    private static string? Endpoint(string? text) => text is null || MachineConfig.IsEndpoint(text)
        ? text
        : throw new UsageException($"--control-plane-endpoint {text} is no HOST:PORT: want for example api.example.org:6443");
}
