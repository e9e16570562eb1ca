using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Trireme.Cluster.Supervision;

/// <summary>Where the programs are that components run.</summary>
public sealed partial record Programs
{
    // A service manager's or a lab machine's PATH may lack the directories of the administrator's programs.
    private static readonly string[] _directories =
        [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    /// <summary>This program and the arguments it needs before a command.</summary>
    public required IReadOnlyList<string> Trireme { get; init; }

    public string Containerd { get; init; } = Find("containerd") ?? "containerd";

    public string Etcd { get; init; } = Find("etcd") ?? "etcd";

    public string Keepalived { get; init; } = Find("keepalived") ?? "keepalived";

    /// <summary>Version of etcd, whose flags differ between versions; 3.4 when it cannot be told.</summary>
    public Version EtcdVersion { get; init; } = new(3, 4);

    /// <summary>Looks at this machine.</summary>
    public static Programs Detect()
    {
        var path = Environment.ProcessPath ?? throw new InvalidOperationException("The path of this program is unknown");
        string[] self = Path.GetFileNameWithoutExtension(path) == "dotnet" ? [path, Environment.GetCommandLineArgs()[0]] : [path];
        var programs = new Programs { Trireme = self };
        return programs with { EtcdVersion = VersionOf(programs.Etcd) ?? programs.EtcdVersion };
    }

    /// <summary>Path of a program; null when it is not installed.</summary>
    public static string? Find(string name) => _directories.Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);

    private static Version? VersionOf(string etcd)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(etcd, ["--version"]) { RedirectStandardOutput = true })!;
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return VersionLine().Match(text) is { Success: true } match ? Version.Parse(match.Groups[1].Value) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex(@"etcd Version: (\d+\.\d+\.\d+)")]
    private static partial Regex VersionLine();
}
