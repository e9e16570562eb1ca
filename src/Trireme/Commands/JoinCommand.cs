using System.CommandLine;
using Trireme.Cluster;
using Trireme.Cluster.Phases;
using Trireme.Component.Flags;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme join</c>: makes this machine part of a cluster.</summary>
internal static class JoinCommand
{
    public static Command Create()
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var name = MachineOptions.NodeName();
        var address = ComponentFlags.Address("--advertise-address", "Address under which the other machines reach this one");
        var zone = MachineOptions.Zone();
        var servers = ComponentFlags.List("--server", "URL of a server of the cluster; may be repeated");
        var token = MachineOptions.Token("Token by which this machine may join");
        var pins = ComponentFlags.List("--ca-cert-hash", "Hash of the cluster authority's public key, sha256:HEX");
        var controlPlane = new Option<bool>("--control-plane") { Description = "Join as a server" };
        var key = MachineOptions.CertificateKey("Key that decrypts the certificate authorities, for a server");
        var schedulable = new Option<bool>("--schedulable") { Description = "Whether pods may run on this server", DefaultValueFactory = _ => true };
        var images = MachineOptions.ImageArchive();
        var dryRun = MachineOptions.DryRun();
        var verbosity = ComponentFlags.Verbosity();
        token.Required = true;
        servers.Required = true;
        pins.Required = true;
        return new Command("join", "Make this machine part of a cluster, as worker or as server")
        {
            servers, token, pins, controlPlane, key, dataDirectory, name, address, zone, schedulable, images, dryRun, verbosity,
        }.Runs(async (parsed, cancellationToken) =>
        {
            var directory = MachineOptions.Directory(parsed, dataDirectory);
            var server = parsed.GetValue(controlPlane);
            if (server && parsed.GetValue(key) is null)
            {
                throw new UsageException("--control-plane needs --certificate-key: 'trireme phase upload-certs' on a server prints one");
            }

            var wanted = new MachineConfig
            {
                Name = parsed.GetRequiredValue(name),
                Role = server ? MachineRole.Server : MachineRole.Worker,
                AdvertiseAddress = parsed.GetValue(address) ?? MachineOptions.DefaultAddress(),
                Zone = parsed.GetValue(zone),
                Schedulable = parsed.GetValue(schedulable),
            };
            var blank = MachineSetup.IsBlank(directory);
            var time = TimeProvider.System;
            using var loggers = MachineOptions.Loggers(parsed, verbosity, time);
            using var context = new PhaseContext(directory, MachineSetup.ForJoin(directory, wanted), loggers, time)
            {
                Say = Console.WriteLine,
                Token = parsed.GetValue(token),
                CertificateKey = parsed.GetValue(key),
                Servers = [.. parsed.GetRequiredValue(servers).Select(Server)],
                AuthorityPins = parsed.GetRequiredValue(pins),
                ImageArchive = parsed.GetValue(images),
            };
            try
            {
                await PhaseRunner.RunAsync(server ? Workflows.JoinServer : Workflows.JoinWorker, context, parsed.GetValue(dryRun), cancellationToken);
            }
            catch when (blank && !File.Exists(directory.Config))
            {
                // Refused before it was a machine of the cluster: nothing of what join wrote is worth keeping, and it may be tried again.
                MachineSetup.Forget(directory);
                throw;
            }

            if (!parsed.GetValue(dryRun))
            {
                Console.WriteLine($"\n{wanted.Name} has joined the cluster as {(server ? "server" : "worker")}.");
            }

            return CommandFailure.Success;
        });
    }

    // HOST:PORT alone is what kubeadm's users type.
    private static Uri Server(string text) =>
        Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "https://" + text, UriKind.Absolute, out var url) && url is { Scheme: "https", Host.Length: > 0 }
            ? new UriBuilder(url) { Port = url.IsDefaultPort && !text.EndsWith(":443", StringComparison.Ordinal) ? Ports.ApiServer : url.Port }.Uri
            : throw new UsageException($"--server {text} is no address of a server: want for example https://10.0.0.1:6443");
}
