using System.ComponentModel;
using System.Diagnostics;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster;

/// <summary>The modules of the kernel that nodes need and that nothing else on a plain machine loads.</summary>
public static class KernelModules
{
    // Without it packets between pods of one node pass below the rules, and a service whose backend is on the caller's node does not answer.
    private const string Bridge = "br_netfilter";

    private const string Images = "overlay";

    /// <summary>Loads what is not there. A kernel that has it built in, or a machine that may not load any, goes on as it is.</summary>
    public static async Task LoadAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(Programs.Find("modprobe") ?? "modprobe", ["-q", "-a", Bridge, Images]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (Win32Exception)
        {
            // No modules at all, as in a container: the kernel's owner has loaded them or has not.
        }
    }

    /// <summary>What does not work because a module is not loaded, with the remedy; null when all is there.</summary>
    /// <param name="settings">Folder of the kernel's settings.</param>
    public static string? Missing(string settings = "/proc/sys") => File.Exists(Path.Combine(settings, "net/bridge/bridge-nf-call-iptables"))
        ? null
        : $"kernel module {Bridge} is not loaded: pods do not reach services that run on their own node until 'modprobe {Bridge}' was run";
}
