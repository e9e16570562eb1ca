using System.CommandLine;
using Trireme.Cluster;
using Trireme.Cluster.Phases;
using Trireme.Component.Flags;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme phase NAME</c>: one step of init or join alone, on a machine that is set up.</summary>
internal static class PhaseCommand
{
    public static Command Create()
    {
        var command = new Command("phase", "Run one step of init or join again, alone, on a machine that is set up");
        foreach (var phase in Workflows.All)
        {
            command.Add(Create(phase));
        }

        return command;
    }

    private static Command Create(Phase phase)
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var servers = ComponentFlags.List("--server", "URL of a server of the cluster; may be repeated");
        var token = MachineOptions.Token("Token by which machines join");
        var pins = ComponentFlags.List("--ca-cert-hash", "Hash of the cluster authority's public key, sha256:HEX");
        var key = MachineOptions.CertificateKey("Key for the certificate authorities on their way to a joining server");
        var member = new Option<string?>("--member") { Description = "Store member that is lost: its name, number or machine, as 'trireme status' shows them", HelpName = "NAME" };
        var images = MachineOptions.ImageArchive();
        var dryRun = MachineOptions.DryRun();
        var verbosity = ComponentFlags.Verbosity();
        var command = new Command(phase.Name, $"Done when {phase.Description}") { dataDirectory, servers, token, pins, key, images, dryRun, verbosity };
        if (phase.Name == "etcd-remove")
        {
            member.Required = true;
            command.Add(member);
        }

        return command.Runs(async (parsed, cancellationToken) =>
        {
            var directory = MachineOptions.Directory(parsed, dataDirectory);
            var config = MachineConfig.TryLoad(directory)
                ?? throw new PhaseException($"{directory.Root} holds no machine: run 'trireme init' or 'trireme join', or give --data-dir");
            var time = TimeProvider.System;
            using var loggers = MachineOptions.Loggers(parsed, verbosity, time);
            using var context = new PhaseContext(directory, config, loggers, time)
            {
                Say = Console.WriteLine,
                Token = parsed.GetValue(token),
                CertificateKey = parsed.GetValue(key),
                Servers = [.. (parsed.GetValue(servers) ?? []).Select(s => new Uri(s))],
                AuthorityPins = parsed.GetValue(pins) ?? [],
                ImageArchive = parsed.GetValue(images),
                Member = phase.Name == "etcd-remove" ? parsed.GetValue(member) : null,
            };
            if (parsed.GetValue(dryRun))
            {
                PhaseRunner.Describe(phase, context);
                return CommandFailure.Success;
            }

            await PhaseRunner.RunAsync(phase, context, cancellationToken);
            if (phase.Name == "upload-certs" && parsed.GetValue(key) is null)
            {
                Console.WriteLine($"--certificate-key {context.CertificateKey}");
            }

            if (phase.Name == "bootstrap-token" && parsed.GetValue(token) is null)
            {
                Console.WriteLine($"--token {context.Token}");
            }

            return CommandFailure.Success;
        });
    }
}
