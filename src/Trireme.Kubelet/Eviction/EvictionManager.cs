using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Events;
using Trireme.Kubelet.Cgroups;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.NodeStatus;

namespace Trireme.Kubelet.Eviction;

/// <summary>Ends pods before the kernel runs out of memory or disk, the least important first.</summary>
public sealed class EvictionManager(
    KubeletOptions options,
    Machine machine,
    ICgroupManager cgroups,
    KubeletPaths paths,
    Func<IReadOnlyList<Pod>> activePods,
    Action<Pod, WaitingReason> evict,
    Func<CancellationToken, Task> reclaimDisk,
    IEventRecorder events,
    TimeProvider time,
    ILogger<EvictionManager> logger)
{
    private static readonly TimeSpan _period = TimeSpan.FromSeconds(10);

    /// <summary>A condition stays this long after its cause is gone, so that pods do not bounce (evictionPressureTransitionPeriod).</summary>
    private static readonly TimeSpan _transition = TimeSpan.FromMinutes(5);

    private long _memoryPressureAt;
    private long _diskPressureAt;

    /// <summary>Pressure as the node's conditions show it; null when there is none.</summary>
    public string? MemoryPressure => Within(Volatile.Read(ref _memoryPressureAt)) ? "kubelet has insufficient memory available" : null;

    /// <inheritdoc cref="MemoryPressure"/>
    public string? DiskPressure => Within(Volatile.Read(ref _diskPressureAt)) ? "kubelet has disk pressure" : null;

    public string? PidPressure => machine.AvailablePids < 100 ? "kubelet has insufficient PID available" : null;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await CheckAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>The order in which pods are ended: those over their request first, then by priority, then by how far over they are.</summary>
    /// <param name="pods">Candidates.</param>
    /// <param name="usage">Bytes used by a pod.</param>
    /// <param name="resource">Whose requests count.</param>
    public static IReadOnlyList<Pod> Rank(IEnumerable<Pod> pods, Func<Pod, long> usage, string resource) =>
        [.. pods.Where(p => !IsCritical(p))
            .Select(p => (Pod: p, Over: usage(p) - (long)PodQos.Requested(p, resource)))
            .OrderByDescending(p => p.Over > 0)
            .ThenBy(p => p.Pod.Spec?.Priority ?? 0)
            .ThenByDescending(p => p.Over)
            .Select(p => p.Pod)];

    private static bool IsCritical(Pod pod) => pod.IsStatic() || pod.Spec?.Priority >= 2_000_000_000;

    private bool Within(long since) => since != 0 && time.GetElapsedTime(since) < _transition;

    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        var memory = machine.AvailableMemoryBytes;
        if (memory < options.EvictionMemoryAvailableBytes)
        {
            Volatile.Write(ref _memoryPressureAt, time.GetTimestamp());
            var threshold = $"{options.EvictionMemoryAvailableBytes / 1024}Ki";
            EvictOne(ResourceName.Memory, p => cgroups.MemoryWorkingSet(p.Uid()) ?? 0, threshold, $"{memory / 1024}Ki");
        }

        if (DiskIsShort())
        {
            Volatile.Write(ref _diskPressureAt, time.GetTimestamp());
            await reclaimDisk(cancellationToken);
            if (DiskIsShort())
            {
                EvictOne(ResourceName.EphemeralStorage, DiskUsage, $"{options.EvictionNodeFsAvailable:P0}", $"{machine.Disk.AvailableBytes / 1024}Ki");
            }
        }
    }

    private bool DiskIsShort() => machine.Disk is var (total, available) && total > 0 && (double)available / total < options.EvictionNodeFsAvailable;

    private void EvictOne(string resource, Func<Pod, long> usage, string threshold, string available)
    {
        if (Rank(activePods(), usage, resource) is not [var victim, ..])
        {
            logger.LogWarning("Node is low on {Resource} and there is no pod to evict", resource);
            return;
        }

        var message = $"The node was low on resource: {resource}. Threshold quantity: {threshold}, available: {available}. ";
        events.Event(victim, "Warning", "Evicted", message);
        logger.LogWarning("Pod {Pod} is evicted: {Message}", victim.Describe(), message);
        evict(victim, new WaitingReason("Evicted", message));
    }

    private long DiskUsage(Pod pod) => SizeOf(paths.Pod(pod.Uid())) + SizeOf(paths.PodLog(pod));

    private static long SizeOf(string directory)
    {
        var real = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        try
        {
            return Directory.Exists(directory) ? new DirectoryInfo(directory).EnumerateFiles("*", real).Sum(f => f.Length) : 0;
        }
        catch (IOException)
        {
            // Files come and go while they are counted.
            return 0;
        }
    }
}
