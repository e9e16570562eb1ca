using System.Diagnostics.CodeAnalysis;

namespace Trireme.Scheduler.Queue;

/// <summary>Pods that were refused and wait for an event that may change that, and gated pods. Guarded by the queue's lock.</summary>
internal sealed class UnschedulablePods
{
    private readonly Dictionary<string, QueuedPodInfo> _pods = new(StringComparer.Ordinal);

    public int Count => _pods.Count;

    public IReadOnlyCollection<QueuedPodInfo> Items => _pods.Values;

    public void Add(QueuedPodInfo pod) => _pods[pod.Pod.Uid] = pod;

    public QueuedPodInfo? Remove(string uid) => _pods.Remove(uid, out var pod) ? pod : null;

    public bool TryGet(string uid, [NotNullWhen(true)] out QueuedPodInfo? pod) => _pods.TryGetValue(uid, out pod);
}
