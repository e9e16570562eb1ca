namespace Trireme.Scheduler.Queue;

/// <summary>Pods that may be tried again, but not before their back-off is over: 1 s after the first failure, doubling up to 10 s. Guarded by the queue's lock.</summary>
internal sealed class BackoffQueue(TimeSpan initial, TimeSpan max)
{
    private readonly PodHeap _heap = new(static (a, b) => a.BackoffExpiry.CompareTo(b.BackoffExpiry));

    public PodHeap Heap => _heap;

    /// <summary>When the first pod is due; null when none waits.</summary>
    public long? NextExpiry => _heap.Peek()?.BackoffExpiry;

    /// <summary>How long a pod waits after so many failures in a row.</summary>
    public TimeSpan Duration(int failures)
    {
        if (failures <= 0)
        {
            return TimeSpan.Zero;
        }

        // 2^30 seconds are beyond any maximum; more would overflow.
        var duration = initial * Math.Pow(2, Math.Min(failures - 1, 30));
        return duration < max ? duration : max;
    }

    public static bool IsBackingOff(QueuedPodInfo pod, long now) => pod.BackoffExpiry > now;

    public void Add(QueuedPodInfo pod) => _heap.Push(pod);

    /// <summary>Takes out the pods whose time has come.</summary>
    public IEnumerable<QueuedPodInfo> TakeExpired(long now)
    {
        while (_heap.Peek() is { } pod && pod.BackoffExpiry <= now)
        {
            yield return _heap.Pop()!;
        }
    }
}
