using System.ComponentModel;
using System.Diagnostics;

namespace Trireme.Cluster.Images;

/// <summary>Trireme's own images in a machine's containerd, by its tool <c>ctr</c>.</summary>
/// <param name="run">Runs ctr with these arguments, after those that name the socket and the namespace; exit code and what it said.</param>
public sealed class ContainerdImages(Func<IReadOnlyList<string>, CancellationToken, Task<(int Code, string Output)>> run)
{
    /// <summary>Containerd's mark of an image that no garbage collection may take: kubelets go by it.</summary>
    private const string Pinned = "io.cri-containerd.pinned=pinned";

    private static readonly string[] _references = [TriremeImages.PauseReference, TriremeImages.TriremeReference];
    private static readonly TimeSpan _period = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _retryPeriod = TimeSpan.FromSeconds(2);

    /// <param name="ctr">Path of the tool.</param>
    /// <param name="socket">Containerd's socket.</param>
    public ContainerdImages(string ctr, string socket)
        : this((arguments, cancellationToken) => RunAsync(ctr, ["--address", socket, "--namespace", "k8s.io", .. arguments], cancellationToken))
    {
    }

    /// <summary>Imports the archive and pins what is in it. Null when that succeeded, else what ctr said.</summary>
    public async Task<string?> ImportAsync(string archive, CancellationToken cancellationToken)
    {
        var (code, output) = await run(["images", "import", archive], cancellationToken);
        if (code != 0)
        {
            return output.Trim();
        }

        foreach (var reference in _references)
        {
            // One that the archive does not have is none of ours, and an old ctr may know no labels: an image that is not pinned works all the same.
            _ = await run(["images", "label", reference, Pinned], cancellationToken);
        }

        return null;
    }

    /// <summary>Imports the archive when one of its images is missing, as after somebody has tidied up. Null when all are there, else what ctr said.</summary>
    public async Task<string?> EnsureAsync(string archive, CancellationToken cancellationToken)
    {
        var (code, output) = await run(["images", "list", "--quiet"], cancellationToken);
        if (code != 0)
        {
            return output.Trim();
        }

        var present = output.Split('\n', StringSplitOptions.TrimEntries);
        return Array.TrueForAll(_references, present.Contains) ? null : await ImportAsync(archive, cancellationToken);
    }

    /// <summary>Calls <see cref="EnsureAsync"/> until cancelled: soon again while it fails, as containerd takes its time at the start of a machine.</summary>
    /// <param name="archive">Archive of the images; nothing is done while it is not there.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task WatchAsync(string archive, TimeProvider time, CancellationToken cancellationToken)
    {
        while (true)
        {
            var failed = File.Exists(archive) && await EnsureAsync(archive, cancellationToken) is not null;
            await Task.Delay(failed ? _retryPeriod : _period, time, cancellationToken);
        }
    }

    private static async Task<(int Code, string Output)> RunAsync(string ctr, string[] arguments, CancellationToken cancellationToken)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(ctr, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? (0, await output) : (process.ExitCode, await error);
        }
        catch (Win32Exception e)
        {
            return (1, e.Message);
        }
    }
}
