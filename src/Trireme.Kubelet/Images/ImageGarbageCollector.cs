using Microsoft.Extensions.Logging;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Os;

namespace Trireme.Kubelet.Images;

/// <summary>Removes unused images, the longest unused first, when the disk they lie on gets full.</summary>
public sealed class ImageGarbageCollector(ICri cri, double highThreshold, double lowThreshold, TimeProvider time, ILogger<ImageGarbageCollector> logger)
{
    private static readonly TimeSpan _period = TimeSpan.FromMinutes(5);

    private readonly Dictionary<string, DateTimeOffset> _lastUsed = new(StringComparer.Ordinal);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await CollectAsync(highThreshold, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Removes images while more than <paramref name="threshold"/> of the disk is used, down to the low threshold.</summary>
    public async Task CollectAsync(double threshold, CancellationToken cancellationToken)
    {
        try
        {
            var unused = await UnusedAsync(cancellationToken);
            var place = (await cri.ImageFsInfoAsync(cancellationToken)).FirstOrDefault()?.FsId?.Mountpoint;
            if (place is null || !Directory.Exists(place) || UsedShare(place) <= threshold)
            {
                return;
            }

            foreach (var image in unused.OrderBy(i => _lastUsed[i.Id]))
            {
                if (UsedShare(place) <= lowThreshold)
                {
                    return;
                }

                logger.LogInformation("Image {Image} is removed to free {Bytes} bytes", image.Id, image.Size);
                await cri.RemoveImageAsync(image.Id, cancellationToken);
            }
        }
        catch (CriException e)
        {
            logger.LogWarning("Images were not collected: {Error}", e.Message);
        }
    }

    private static double UsedShare(string place) => Linux.DiskSpace(place) is var (total, available) && total > 0 ? 1 - ((double)available / total) : 0;

    private async Task<List<Cri.V1.Image>> UnusedAsync(CancellationToken cancellationToken)
    {
        var images = await cri.ListImagesAsync(cancellationToken);
        var inUse = (await cri.ListContainersAsync(null, cancellationToken)).SelectMany(c => new[] { c.Image?.Image ?? "", c.ImageRef, c.ImageId }).ToHashSet();
        var now = time.GetUtcNow();
        var unused = new List<Cri.V1.Image>();
        foreach (var image in images)
        {
            if (image.Pinned || inUse.Contains(image.Id) || image.RepoTags.Concat(image.RepoDigests).Any(inUse.Contains))
            {
                _lastUsed[image.Id] = now;
            }
            else
            {
                _lastUsed.TryAdd(image.Id, now);
                unused.Add(image);
            }
        }

        return unused;
    }
}
