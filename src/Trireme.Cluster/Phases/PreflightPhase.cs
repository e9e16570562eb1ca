using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Phases;

/// <summary>Finds what would make a later phase fail, all of it at once, before anything is changed.</summary>
public static partial class PreflightPhase
{
    // Any clock before this is a machine whose battery is empty: certificates made on it would not be valid anywhere else.
    private static readonly DateTimeOffset _earliest = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private const string DiskProbe = ".fsync";

    private const string Etcd = "etcd";

    // Its package starts one, on the very ports.
    private const string EtcdService = "systemctl disable --now etcd";

    // sun_path of sockaddr_un without the zero at its end.
    private const int MaxSocketPath = 107;

    // etcd's own advice for a disk that holds it; a slower one works and makes every write slow.
    private static readonly TimeSpan _slowDisk = TimeSpan.FromMilliseconds(10);

    public static Phase Create() => new("preflight", "this machine can run the components", Plan, RunAsync);

    private static IEnumerable<string> Plan(PhaseContext context)
    {
        var problems = Problems(context).ToList();
        return problems.Count == 0 ? ["find nothing that stands in the way, and load the kernel's modules for bridges and images"] : problems.Select(p => $"stop: {p}");
    }

    private static async Task RunAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var problems = Problems(context).ToList();
        if (problems.Count > 0)
        {
            throw new PhaseException(string.Join("\n", problems));
        }

        await KernelModules.LoadAsync(cancellationToken);
        if (KernelModules.Missing() is { } module)
        {
            context.Say($"[preflight] {module}");
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
            yield return $"Missing: {string.Join(", ", missing.Select(m => m.Program))}. Install with: apt-get install {string.Join(' ', missing.Select(m => m.Package).Distinct())}{(missing.Any(m => m.Program == "etcd") ? " && " + EtcdService : "")}";
        }

        if (DataDirectoryProblem(context.Directory) is { } foreign)
        {
            yield return foreign;
        }

        if (TooLong(context.Directory) is { } tooLong)
        {
            yield return tooLong;
        }

        if (config.AdvertiseAddress.Equals(config.VirtualIP))
        {
            yield return $"--virtual-ip {config.VirtualIP} is this machine's own address: give one that no machine has, in the same network";
        }

        if (!HasAddress(config.AdvertiseAddress))
        {
            yield return $"No network interface of this machine has the address {config.AdvertiseAddress}: give --advertise-address with one that it has";
        }
        else if (!HasSupervisor(context.Directory))
        {
            foreach (var port in WantedPorts(config))
            {
                if (IsUsed(port))
                {
                    yield return $"Port {port.Number} on {port.Address}, which {port.What} needs, is in use: 'ss -ltnp sport = :{port.Number}' shows by whom{(port.What == Etcd ? $"; if by Debian's own etcd: {EtcdService}" : "")}";
                }
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

    /// <summary>A port that a component listens on.</summary>
    internal readonly record struct WantedPort(IPAddress Address, int Number, string What);

    /// <summary>Every port that the components of a machine listen on.</summary>
    internal static IEnumerable<WantedPort> WantedPorts(MachineConfig config)
    {
        if (config.IsServer)
        {
            yield return new(config.AdvertiseAddress, Ports.ApiServer, "the API server");
            yield return new(IPAddress.Loopback, Ports.ApiServer, "the API server");
            if (config.VirtualIP is { } virtualIP)
            {
                yield return new(virtualIP, Ports.ApiServer, "the API balancer");
            }

            yield return new(config.AdvertiseAddress, Ports.EtcdClient, Etcd);
            yield return new(IPAddress.Loopback, Ports.EtcdClient, Etcd);
            yield return new(config.AdvertiseAddress, Ports.EtcdPeer, Etcd);
            yield return new(IPAddress.Loopback, Ports.EtcdMetrics, Etcd);
            yield return new(IPAddress.Loopback, Ports.ControllerManager, "the controller manager");
            yield return new(IPAddress.Loopback, Ports.Scheduler, "the scheduler");
        }

        yield return new(IPAddress.Loopback, Ports.Balancer, "the API balancer");
        yield return new(IPAddress.Any, Ports.Kubelet, "the kubelet");
        yield return new(IPAddress.Loopback, Ports.KubeletHealthz, "the kubelet");
        yield return new(IPAddress.Loopback, Ports.ProxyHealthz, "the proxy");
    }

    /// <summary>Whether somebody listens there. The address may be one that the machine does not have yet.</summary>
    internal static bool IsUsed(WantedPort port)
    {
        using var socket = new Socket(port.Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        SocketOptions.AllowForeignAddress(socket);
        try
        {
            socket.Bind(new IPEndPoint(port.Address, port.Number));
            socket.Listen();
            return false;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return true;
        }
    }

    /// <summary>Sockets have short names in the kernel; the longest of a machine's must fit.</summary>
    internal static string? TooLong(MachineDirectory directory)
    {
        var longest = new[] { directory.SupervisorSocket, directory.ContainerdSocket + ".ttrpc" }.MaxBy(Encoding.UTF8.GetByteCount)!;
        return Encoding.UTF8.GetByteCount(longest) is var length && length > MaxSocketPath
            ? $"--data-dir {directory.Root} is too long by {length - MaxSocketPath} characters: sockets in it could not be opened"
            : null;
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
