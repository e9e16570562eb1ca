using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Phases;

/// <summary>Finds what would make a later phase fail, all of it at once, before anything is changed.</summary>
public static partial class PreflightPhase
{
    // Any clock before this is a machine whose battery is empty: certificates made on it would not be valid anywhere else.
    private static readonly DateTimeOffset _earliest = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private const string DiskProbe = ".fsync";

    // etcd's own advice for a disk that holds it; a slower one works and makes every write slow.
    private static readonly TimeSpan _slowDisk = TimeSpan.FromMilliseconds(10);

    public static Phase Create() => new("preflight", "this machine can run the components", Plan, RunAsync);

    private static IEnumerable<string> Plan(PhaseContext context)
    {
        var problems = Problems(context).ToList();
        return problems.Count == 0 ? ["find nothing that stands in the way"] : problems.Select(p => $"stop: {p}");
    }

    private static async Task RunAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var problems = Problems(context).ToList();
        if (problems.Count > 0)
        {
            throw new PhaseException(string.Join("\n", problems));
        }

        if (context.Config.IsServer)
        {
            var slowest = await Task.Run(() => MeasureDisk(context), cancellationToken);
            var verdict = slowest > _slowDisk ? ": slow for a store, every write will wait for it" : "";
            context.Say(string.Create(CultureInfo.InvariantCulture, $"[preflight] the disk confirms a write within {slowest.TotalMilliseconds:0.0} ms (p99){verdict}"));
        }
    }

    /// <summary>Everything that stands in the way, each with its remedy.</summary>
    internal static IEnumerable<string> Problems(PhaseContext context)
    {
        var config = context.Config;
        if (!Environment.IsPrivilegedProcess)
        {
            yield return "Only root can set up a machine: run this with sudo";
            yield break;
        }

        if (!NodeName().IsMatch(config.Name) || config.Name.Length > 63)
        {
            yield return $"\"{config.Name}\" is no node name: give --name with lower case letters, digits, '-' and '.'";
        }

        if (context.Time.GetUtcNow() is var now && now < _earliest)
        {
            yield return $"The clock says {now:yyyy-MM-dd}: set it, certificates would not be valid";
        }

        if (MissingPackages(config) is { Count: > 0 } missing)
        {
            yield return $"Missing: {string.Join(", ", missing.Select(m => m.Program))}. Install with: apt-get install {string.Join(' ', missing.Select(m => m.Package).Distinct())}";
        }

        if (DataDirectoryProblem(context.Directory) is { } foreign)
        {
            yield return foreign;
        }

        if (!HasAddress(config.AdvertiseAddress))
        {
            yield return $"No network interface of this machine has the address {config.AdvertiseAddress}: give --advertise-address with one that it has";
        }
        else if (!HasSupervisor(context.Directory))
        {
            foreach (var port in UsedPorts(config))
            {
                yield return port;
            }
        }
    }

    private static List<(string Program, string Package)> MissingPackages(MachineConfig config)
    {
        var needed = new List<(string Program, string Package)>
        {
            ("containerd", "containerd"), ("ctr", "containerd"), ("runc", "runc"), ("nft", "nftables"), ("ip", "iproute2"), ("mount", "mount"),
        };
        if (config.IsServer)
        {
            needed.Add(("etcd", "etcd-server"));
        }

        if (config is { IsServer: true, VirtualIP: not null })
        {
            needed.Add(("keepalived", "keepalived"));
        }

        var missing = needed.Where(n => Programs.Find(n.Program) is null).ToList();
        if (ContainerdPhase.CniPlugins() is null)
        {
            missing.Add(("CNI plugins", "containernetworking-plugins"));
        }

        return missing;
    }

    /// <summary>What an earlier try leaves that was killed before the machine had its identity.</summary>
    private static bool IsTrace(MachineDirectory directory, string entry) =>
        Path.GetFileName(entry) == DiskProbe || entry.StartsWith(directory.MachineId + ".", StringComparison.Ordinal);

    private static string? DataDirectoryProblem(MachineDirectory directory)
    {
        if (!Directory.Exists(directory.Root) || File.Exists(directory.MachineId) || File.Exists(directory.Config))
        {
            return null;
        }

        return Directory.EnumerateFileSystemEntries(directory.Root).FirstOrDefault(e => !IsTrace(directory, e)) is { } entry
            ? $"{directory.Root} is not empty and not ours ({Path.GetFileName(entry)} is in it): give another --data-dir or empty it"
            : null;
    }

    private static bool HasAddress(IPAddress address) => NetworkInterface.GetAllNetworkInterfaces()
        .SelectMany(i => i.GetIPProperties().UnicastAddresses)
        .Any(a => a.Address.Equals(address));

    private static bool HasSupervisor(MachineDirectory directory) => ProcessLauncher.Recall(directory.PidFileOf("supervisor")) is not null;

    private static IEnumerable<string> UsedPorts(MachineConfig config)
    {
        (IPAddress Address, int Port, string What, bool OnServer)[] wanted =
        [
            (config.AdvertiseAddress, Ports.ApiServer, "the API server", true),
            (IPAddress.Loopback, Ports.Balancer, "the API balancer", false),
            (config.AdvertiseAddress, Ports.EtcdClient, "etcd", true),
            (config.AdvertiseAddress, Ports.EtcdPeer, "etcd", true),
            (config.AdvertiseAddress, Ports.Kubelet, "the kubelet", false),
            (IPAddress.Loopback, Ports.KubeletHealthz, "the kubelet", false),
        ];
        foreach (var (address, port, what, onServer) in wanted)
        {
            if (onServer && !config.IsServer)
            {
                continue;
            }

            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            string? problem = null;
            try
            {
                socket.Bind(new IPEndPoint(address, port));
                socket.Listen();
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                problem = $"Port {port} on {address}, which {what} needs, is in use: 'ss -ltnp sport = :{port}' shows by whom";
            }

            if (problem is not null)
            {
                yield return problem;
            }
        }
    }

    private static TimeSpan MeasureDisk(PhaseContext context)
    {
        PrivateFile.CreateDirectory(context.Directory.Root);
        var path = Path.Combine(context.Directory.Root, DiskProbe);
        var times = new List<TimeSpan>();
        using (var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 0, FileOptions.DeleteOnClose))
        {
            var block = new byte[2048];
            for (var i = 0; i < 50; i++)
            {
                file.Write(block);
                var start = context.Time.GetTimestamp();
                file.Flush(flushToDisk: true);
                times.Add(context.Time.GetElapsedTime(start));
            }
        }

        return times.Order().ElementAt(times.Count - 1);
    }

    [GeneratedRegex(@"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z")]
    private static partial Regex NodeName();
}
