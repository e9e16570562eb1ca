using System.Globalization;
using Microsoft.Extensions.Logging;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Logs;

/// <summary>Keeps container logs from filling the disk: a file that has grown too large is moved aside, and the oldest are removed.</summary>
public sealed class ContainerLogManager(ICri cri, long maxSize, int maxFiles, TimeProvider time, ILogger<ContainerLogManager> logger)
{
    private static readonly TimeSpan _period = TimeSpan.FromSeconds(10);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await RotateAllAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    public async Task RotateAllAsync(CancellationToken cancellationToken)
    {
        try
        {
            var running = new ContainerFilter { State = new ContainerStateValue { State = ContainerState.ContainerRunning } };
            foreach (var container in await cri.ListContainersAsync(running, cancellationToken))
            {
                if (await cri.ContainerStatusAsync(container.Id, cancellationToken) is { LogPath: { Length: > 0 } path } && SizeOf(path) >= maxSize)
                {
                    await RotateAsync(container.Id, path, cancellationToken);
                }
            }
        }
        catch (Exception e) when (e is CriException or IOException or UnauthorizedAccessException)
        {
            logger.LogDebug("Container logs were not rotated: {Error}", e.Message);
        }
    }

    private static long SizeOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;

    private async Task RotateAsync(string containerId, string path, CancellationToken cancellationToken)
    {
        var directory = Path.GetDirectoryName(path)!;
        var rotated = Directory.GetFiles(directory, Path.GetFileName(path) + ".*").Order(StringComparer.Ordinal).ToList();

        // With the file that is moved now and the one that is written next there are maxFiles.
        foreach (var old in rotated.Take(Math.Max(0, rotated.Count - (maxFiles - 2))))
        {
            File.Delete(old);
        }

        var aside = $"{path}.{time.GetUtcNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}";
        File.Move(path, aside, overwrite: true);
        try
        {
            await cri.ReopenContainerLogAsync(containerId, cancellationToken);
        }
        catch (CriException)
        {
            // The runtime still writes to the old file: give it its name back, so that nothing is lost.
            File.Move(aside, path, overwrite: true);
            throw;
        }
    }
}
