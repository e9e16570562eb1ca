namespace Trireme.Lab;

/// <summary>What a host must have before a lab can be built on it.</summary>
public static class HostRequirements
{
    /// <summary>Program that must be on the path, and the Debian package that brings it.</summary>
    private static readonly (string Program, string Package)[] Programs =
    [
        ("etcd", "etcd-server"),
        ("containerd", "containerd"),
        ("runc", "runc"),
        ("ctr", "containerd"),
        ("nft", "nftables"),
        ("ip", "iproute2"),
        ("conntrack", "conntrack"),
        ("keepalived", "keepalived"),
        ("unshare", "util-linux"),
    ];

    private static readonly string[] PluginFolders = ["/usr/lib/cni", "/opt/cni/bin"];

    /// <summary>Checks everything at once, so that the user is told once.</summary>
    /// <exception cref="LabException">Something is missing; the message names the remedy.</exception>
    public static void Check()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new LabException("lab machines need root (network namespaces, containers): run as root, or use --simulate-nodes");
        }

        var missing = Programs.Where(p => !IsOnPath(p.Program)).Select(p => p.Package).ToList();
        if (!PluginFolders.Any(f => File.Exists(Path.Combine(f, "bridge"))))
        {
            missing.Add("containernetworking-plugins");
        }

        if (missing.Count > 0)
        {
            var packages = string.Join(' ', missing.Distinct());
            throw new LabException($"missing on this machine: {packages}: run 'apt-get install {packages}', or ./trireme up without --no-install");
        }
    }

    private static bool IsOnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Append("/sbin")
            .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
}
