using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Trireme.Kubelet.Os;

namespace Trireme.Kubelet.NodeStatus;

/// <summary>What this machine has, from the kernel. A machine that is a cgroup (a lab's) has no more memory than its limit.</summary>
public sealed class Machine(string rootDirectory)
{
    private const string LimitV1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    private const string UsageV1 = "/sys/fs/cgroup/memory/memory.usage_in_bytes";
    private const string StatV1 = "/sys/fs/cgroup/memory/memory.stat";

    public long MilliCpu { get; } = File.ReadLines("/proc/cpuinfo").Count(l => l.StartsWith("processor", StringComparison.Ordinal)) is var n and > 0
        ? n * 1000L : Environment.ProcessorCount * 1000L;

    public long MemoryBytes { get; } = Math.Min(MemInfo("MemTotal:"), Number(LimitV1) ?? long.MaxValue);

    public string Architecture { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
        System.Runtime.InteropServices.Architecture.X64 => "amd64",
        var other => other.ToString(),
    };

    public string KernelVersion { get; } = Text("/proc/sys/kernel/osrelease");

    public string BootId { get; } = Text("/proc/sys/kernel/random/boot_id");

    public string MachineId { get; } = Text("/etc/machine-id");

    public string SystemUuid { get; } = Text("/sys/class/dmi/id/product_uuid") is { Length: > 0 } uuid ? uuid : Text("/etc/machine-id");

    public string OsImage { get; } = (File.Exists("/etc/os-release") ? File.ReadLines("/etc/os-release") : [])
        .FirstOrDefault(l => l.StartsWith("PRETTY_NAME=", StringComparison.Ordinal))?["PRETTY_NAME=".Length..].Trim('"') ?? "Linux";

    /// <summary>Memory that processes could still get without swapping.</summary>
    public long AvailableMemoryBytes
    {
        get
        {
            var available = MemInfo("MemAvailable:");
            if (Number(LimitV1) is { } limit && limit < MemInfo("MemTotal:") && Number(UsageV1) is { } usage)
            {
                available = Math.Min(available, limit - Math.Max(0, usage - InactiveFile()));
            }

            return available;
        }
    }

    /// <summary>Size and free space where the kubelet keeps its files.</summary>
    public (long TotalBytes, long AvailableBytes) Disk => Linux.DiskSpace(rootDirectory);

    /// <summary>Processes that may still be started.</summary>
    public long AvailablePids
    {
        get
        {
            var max = Number("/proc/sys/kernel/pid_max") ?? 32768;
            var load = Text("/proc/loadavg").Split(' ');
            var running = load.Length > 3 && long.TryParse(load[3].Split('/')[^1], CultureInfo.InvariantCulture, out var r) ? r : 0;
            return max - running;
        }
    }

    /// <summary>Address of the interface that has the default route, else the first that is no loopback.</summary>
    public static string DefaultIP()
    {
        var candidates = NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.OperationalStatus == OperationalStatus.Up && i.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .Select(i => i.GetIPProperties())
            .OrderByDescending(p => p.GatewayAddresses.Count > 0)
            .SelectMany(p => p.UnicastAddresses)
            .Select(a => a.Address)
            .Where(a => a.AddressFamily == AddressFamily.InterNetwork || (a.AddressFamily == AddressFamily.InterNetworkV6 && !a.IsIPv6LinkLocal));
        return (candidates.FirstOrDefault() ?? IPAddress.Loopback).ToString();
    }

    private static long InactiveFile()
    {
        const string key = "total_inactive_file ";
        var line = File.ReadLines(StatV1).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line[key.Length..], CultureInfo.InvariantCulture);
    }

    private static long MemInfo(string key)
    {
        var line = File.ReadLines("/proc/meminfo").FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line[key.Length..^"kB".Length].Trim(), CultureInfo.InvariantCulture) * 1024;
    }

    private static long? Number(string path) => long.TryParse(Text(path), CultureInfo.InvariantCulture, out var value) ? value : null;

    private static string Text(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
