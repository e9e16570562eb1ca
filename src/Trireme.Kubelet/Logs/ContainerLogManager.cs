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
        IReadOnlyList<Container> running;
        try
        {
            var filter = new ContainerFilter { State = new ContainerStateValue { State = ContainerState.ContainerRunning } };
            running = await cri.ListContainersAsync(filter, cancellationToken);
        }
        catch (CriException e)
        {
            logger.LogDebug("Container logs were not looked at: {Error}", e.Message);
            return;
        }

        foreach (var container in running)
        {
            try
            {
                await CheckAsync(container.Id, cancellationToken);
            }
            catch (Exception e) when (e is CriException or IOException or UnauthorizedAccessException)
            {
                logger.LogDebug("Log of container {Container} was not rotated: {Error}", container.Id, e.Message);
            }
        }
    }

    private async Task CheckAsync(string containerId, CancellationToken cancellationToken)
    {
        if (await cri.ContainerStatusAsync(containerId, cancellationToken) is not { State: ContainerState.ContainerRunning, LogPath: { Length: > 0 } path })
        {
            return;
        }

        var log = new FileInfo(path);
        if (!log.Exists && Directory.Exists(log.DirectoryName))
        {
            // A rotation was cut off after the move: the runtime writes to a file that has another name, or none any more.
            await cri.ReopenContainerLogAsync(containerId, cancellationToken);
        }
        else if (log.Exists && log.Length >= maxSize)
        {
            await RotateAsync(containerId, path, cancellationToken);
        }
    }

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
        catch
        {
            // The runtime still writes to the old file: give it its name back, so that nothing is lost. A new one means that it did as it was told.
            if (!File.Exists(path))
            {
                File.Move(aside, path);
            }

            throw;
        }
    }
}
