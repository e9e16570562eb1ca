using Microsoft.Extensions.Logging;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>
/// Removes containers and sandboxes that nobody looks at any more: of each container the two newest are kept, for its last
/// state and <c>logs --previous</c>.
/// </summary>
public sealed class ContainerGarbageCollector(ICri cri, TimeProvider time, ILogger<ContainerGarbageCollector> logger)
{
    private const int Kept = 2;
    private static readonly TimeSpan _period = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _minimumAge = TimeSpan.FromMinutes(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await CollectAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    public async Task CollectAsync(CancellationToken cancellationToken)
    {
        try
        {
            var before = CriTime.ToNanoseconds(time.GetUtcNow() - _minimumAge);
            var containers = await cri.ListContainersAsync(null, cancellationToken);
            foreach (var container in Superfluous(containers, before))
            {
                var status = await cri.ContainerStatusAsync(container.Id, cancellationToken);
                await cri.RemoveContainerAsync(container.Id, cancellationToken);
                RemoveLogs(status?.LogPath);
            }

            containers = await cri.ListContainersAsync(null, cancellationToken);
            var sandboxes = await cri.ListPodSandboxAsync(null, cancellationToken);
            foreach (var sandbox in Superfluous(sandboxes, containers, before))
            {
                await cri.StopPodSandboxAsync(sandbox.Id, cancellationToken);
                await cri.RemovePodSandboxAsync(sandbox.Id, cancellationToken);
            }
        }
        catch (CriException e)
        {
            logger.LogWarning("Containers were not collected: {Error}", e.Message);
        }
    }

    /// <summary>Exited containers that are neither among the newest of their name nor younger than a minute.</summary>
    public static IEnumerable<Container> Superfluous(IEnumerable<Container> containers, long createdBefore) =>
        containers.GroupBy(c => (Uid(c.Labels), c.Metadata?.Name))
            .SelectMany(g => g.OrderByDescending(c => c.CreatedAt).Skip(Kept))
            .Where(c => c.State == ContainerState.ContainerExited && c.CreatedAt < createdBefore);

    /// <summary>Stopped sandboxes that hold no container and are not their pod's newest.</summary>
    public static IEnumerable<PodSandbox> Superfluous(IEnumerable<PodSandbox> sandboxes, IEnumerable<Container> containers, long createdBefore)
    {
        var used = containers.Select(c => c.PodSandboxId).ToHashSet(StringComparer.Ordinal);
        return sandboxes.GroupBy(s => Uid(s.Labels))
            .SelectMany(g => g.OrderByDescending(s => s.CreatedAt).Skip(1))
            .Where(s => s.State == PodSandboxState.SandboxNotready && !used.Contains(s.Id) && s.CreatedAt < createdBefore);
    }

    private static string Uid(IDictionary<string, string> labels) => labels.TryGetValue(RuntimeLabels.PodUid, out var uid) ? uid : "";

    private static void RemoveLogs(string? path)
    {
        if (path is { Length: > 0 } && Path.GetDirectoryName(path) is { } directory && Directory.Exists(directory))
        {
            foreach (var file in Directory.EnumerateFiles(directory, Path.GetFileName(path) + "*"))
            {
                File.Delete(file);
            }
        }
    }
}
