using Microsoft.Extensions.Logging;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Os;

namespace Trireme.Kubelet.Images;

/// <summary>Removes unused images, the longest unused first, when the disk they lie on gets full.</summary>
public sealed class ImageGarbageCollector(ICri cri, double highThreshold, double lowThreshold, TimeProvider time, ILogger<ImageGarbageCollector> logger)
{
    /// <summary>
    /// No registry has what is named so: once removed it would be gone. Among them is the image of every sandbox, which no container ever shows as its own.
    /// </summary>
    private const string ImportedPrefix = "localhost/";

    private static readonly TimeSpan _period = TimeSpan.FromMinutes(5);

    /// <summary>An image that was just pulled has no container yet.</summary>
    private static readonly TimeSpan _minimumAge = TimeSpan.FromMinutes(2);

    // Guards what is known of images: the usual round and eviction come at the same time.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Usage> _usage = new(StringComparer.Ordinal);

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

            foreach (var image in unused)
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

    private static bool IsKept(Cri.V1.Image image) =>
        image.Pinned || image.RepoTags.Concat(image.RepoDigests).Any(n => n.StartsWith(ImportedPrefix, StringComparison.Ordinal));

    /// <summary>What may be removed, the longest unused first.</summary>
    private async Task<List<Cri.V1.Image>> UnusedAsync(CancellationToken cancellationToken)
    {
        var images = await cri.ListImagesAsync(cancellationToken);
        var inUse = (await cri.ListContainersAsync(null, cancellationToken)).SelectMany(c => new[] { c.Image?.Image ?? "", c.ImageRef, c.ImageId }).ToHashSet();
        var now = time.GetUtcNow();
        var unused = new List<(DateTimeOffset LastUsed, Cri.V1.Image Image)>();
        lock (_lock)
        {
            foreach (var image in images)
            {
                var known = _usage.GetValueOrDefault(image.Id, new Usage(now, now));
                if (IsKept(image) || inUse.Contains(image.Id) || image.RepoTags.Concat(image.RepoDigests).Any(inUse.Contains))
                {
                    known = known with { LastUsed = now };
                }
                else if (now - known.FirstSeen >= _minimumAge)
                {
                    unused.Add((known.LastUsed, image));
                }

                _usage[image.Id] = known;
            }

            foreach (var gone in _usage.Keys.Except(images.Select(i => i.Id)).ToList())
            {
                _usage.Remove(gone);
            }
        }

        return [.. unused.OrderBy(u => u.LastUsed).Select(u => u.Image)];
    }

    private readonly record struct Usage(DateTimeOffset FirstSeen, DateTimeOffset LastUsed);
}
