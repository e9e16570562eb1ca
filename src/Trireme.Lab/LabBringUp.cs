using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Cluster;
using Trireme.Cluster.Images;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Pki;
using Trireme.Lab.Readiness;

namespace Trireme.Lab;

/// <summary>A step of <c>up</c> that was reached.</summary>
/// <param name="Machine">The machine, or empty for the lab as a whole.</param>
/// <param name="Step">What is true now, for people.</param>
/// <param name="Elapsed">Since the command began.</param>
public readonly record struct LabProgress(string Machine, string Step, TimeSpan Elapsed);

/// <summary>Builds a lab, or brings one that is there back to full strength.</summary>
/// <remarks>
/// The story: (1) cables and images, (2) power, (3) <c>trireme init</c> on the first server, (4) <c>trireme join</c> on all others at once, (5) every
/// node Ready, (6) cluster DNS answers. Steps 3 and 4 are the commands that a user types on real machines. A machine that was set up before is only
/// switched on, or let go on where it was halted: its supervisor finds everything on disk.
/// </remarks>
public sealed class LabBringUp(LabHost lab, TimeProvider time, Action<LabProgress> progress)
{
    private readonly long _start = time.GetTimestamp();

    /// <summary>Builds what is missing and waits until the cluster serves.</summary>
    /// <returns>When each machine's node was Ready, since the command began.</returns>
    /// <exception cref="LabException">A step failed; the message says which and why.</exception>
    public async Task<IReadOnlyDictionary<string, TimeSpan>> RunAsync(CancellationToken cancellationToken)
    {
        var spec = lab.Spec;
        if (spec.Simulated)
        {
            await lab.Simulation.StartAsync(time, cancellationToken);
            using var simulated = Connect();
            return await new NodeReadiness(simulated, spec, [], time, _start, progress).WaitAsync(cancellationToken);
        }

        var images = lab.Store.ImagesOf(spec.Name);
        await KernelModules.LoadAsync(cancellationToken);
        var archive = TriremeImages.EnsureArchiveAsync(images, Environment.ProcessPath!, cancellationToken);
        await LayNetworkAsync(cancellationToken);
        var revived = new ConcurrentBag<string>();
        await Task.WhenAll(spec.Machines.Select(async machine =>
        {
            var control = lab.Machine(machine.Name);
            if (await control.ReviveAsync(cancellationToken))
            {
                revived.Add(machine.Name);
            }

            if (!IsSetUp(machine))
            {
                await control.EndSetUpAsync(cancellationToken);
            }
        }));
        Report("", $"{spec.Machines.Count} machines are on");
        await archive;

        var first = spec.Machines[0];
        var secrets = JoinSecrets.LoadOrCreate(Path.Combine(lab.Store.FolderOf(spec.Name), "join"));
        var begun = IsSetUp(first);
        if (!begun)
        {
            await lab.Machine(first.Name).RunAsync([Environment.ProcessPath!, "init", .. InitArguments(first, secrets, images)], cancellationToken);
            await File.WriteAllTextAsync(SetUpMark(first), "", cancellationToken);
            Report(first.Name, "control plane is initialized");
        }

        PrivateFile.Write(
            lab.Store.KubeconfigOf(spec.Name), await File.ReadAllBytesAsync(new MachineDirectory(lab.Machine(first.Name).DataDirectory).AdminKubeconfig, cancellationToken));
        using var client = Connect();
        var nodes = new NodeReadiness(client, spec, [.. revived], time, _start, progress);
        var ready = nodes.WaitAsync(cancellationToken);
        var others = spec.Machines.Skip(1).Where(m => !IsSetUp(m)).ToList();
        if (begun && others.Count > 0)
        {
            // An earlier 'up' made it; the rest of a lab may be built on another day.
            await new TokenStore(client).RenewAsync(secrets.Token, "Made by trireme up", time, cancellationToken);
        }

        await Task.WhenAll(others.Select(async machine =>
        {
            await lab.Machine(machine.Name).RunAsync([Environment.ProcessPath!, "join", .. JoinArguments(machine, first, secrets, images)], cancellationToken);
            await File.WriteAllTextAsync(SetUpMark(machine), "", cancellationToken);
            Report(machine.Name, "has joined");
        }));

        var readyAfter = await ready;
        await lab.Network.RoutePodsAsync(nodes.PodRanges, cancellationToken);
        await new ClusterDnsProbe(lab.Network.NamespaceOf(first.Name), spec.Addresses.DnsService, time).WaitAsync(cancellationToken);
        Report("", "cluster DNS answers");
        return readyAfter;
    }

    // Cables go with the host's power and with whoever removes them by hand. Machines hang on them: a new switch, new power.
    private async Task LayNetworkAsync(CancellationToken cancellationToken)
    {
        if (await lab.Network.IsWholeAsync(cancellationToken))
        {
            await lab.Network.HealAllAsync(cancellationToken);
            await lab.Network.OpenAsync(cancellationToken);
            return;
        }

        foreach (var machine in lab.Spec.Machines)
        {
            await lab.Machine(machine.Name).PowerOffAsync(cancellationToken);
        }

        await lab.Network.RemoveAsync(cancellationToken);
        await lab.Network.CreateAsync(cancellationToken);
        Report("", $"network {lab.Spec.Addresses.MachineRange} is laid");
    }

    private static string[] CommonArguments(LabHost lab, LabMachine machine, string images) =>
    [
        "--name", machine.Name,
        "--data-dir", lab.Machine(machine.Name).DataDirectory,
        "--advertise-address", machine.Address,
        "--zone", machine.Zone,
        "--image-tar", images,
    ];

    private bool IsSetUp(LabMachine machine) => File.Exists(SetUpMark(machine));

    // Written when init or join ended well; before that the command is simply given again, as it takes up where it stopped.
    private string SetUpMark(LabMachine machine) => Path.Combine(lab.Store.HostSideOf(lab.Spec.Name, machine.Name), "set-up");

    private string[] InitArguments(LabMachine machine, JoinSecrets secrets, string images) =>
    [
        .. CommonArguments(lab, machine, images),
        "--virtual-ip", lab.Spec.Addresses.Virtual,
        "--pod-cidr", lab.Spec.Addresses.PodRange,
        "--service-cidr", lab.Spec.Addresses.ServiceRange,
        "--token", secrets.Token.ToString(),
        "--certificate-key", secrets.CertificateKey,
    ];

    private string[] JoinArguments(LabMachine machine, LabMachine first, JoinSecrets secrets, string images)
    {
        var authority = new MachineDirectory(lab.Machine(first.Name).DataDirectory);
        string[] arguments =
        [
            .. CommonArguments(lab, machine, images),
            "--server", MachineConfig.ApiServerUrl(System.Net.IPAddress.Parse(first.Address)).ToString(),
            "--token", secrets.Token.ToString(),
            "--ca-cert-hash", AuthorityPin(Path.Combine(authority.Pki, "ca.crt")),
        ];
        return machine.Server ? [.. arguments, "--control-plane", "--certificate-key", secrets.CertificateKey] : arguments;
    }

    private ApiClient Connect() =>
        ApiClient.Create(Kubeconfig.Load(lab.Store.KubeconfigOf(lab.Spec.Name)), NullLoggerFactory.Instance, time, "trireme-lab/0.1.0");

    private static string AuthorityPin(string file)
    {
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(file);
        return CertificateInspection.PublicKeyHash(certificate);
    }

    private void Report(string machine, string step) => progress(new LabProgress(machine, step, time.GetElapsedTime(_start)));

    /// <summary>What machines prove themselves with when they join; made once per lab, so that an interrupted <c>up</c> can go on.</summary>
    private sealed record JoinSecrets(BootstrapToken Token, string CertificateKey)
    {
        public static JoinSecrets LoadOrCreate(string file)
        {
            // Two lines, or 'up' was killed while it wrote them and nobody has used them yet.
            if (File.Exists(file) && File.ReadAllLines(file) is [var token, { Length: 64 } key] && BootstrapToken.TryParse(token, out var present))
            {
                return new JoinSecrets(present, key);
            }

            var secrets = new JoinSecrets(BootstrapToken.Create(), RandomNumberGenerator.GetHexString(64, lowercase: true));
            PrivateFile.Write(file, $"{secrets.Token}\n{secrets.CertificateKey}\n");
            return secrets;
        }
    }
}
