using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Queue;

/// <summary>Pods to be scheduled now, the most important first, and those that are being scheduled. Guarded by the queue's lock.</summary>
/// <remarks>
/// An event that would bring a pod back may come while that pod is being refused. So events are kept while any pod is in flight, and when a pod comes
/// back refused, it is held against those that came since it was taken out.
/// </remarks>
internal sealed class ActiveQueue(Comparison<QueuedPodInfo> compare)
{
    private readonly Dictionary<string, InFlightPod> _inFlight = new(StringComparer.Ordinal);
    private readonly Queue<(long Number, ClusterChange Change)> _events = new();
    private long _number;

    public PodHeap Heap { get; } = new(compare);

    public int InFlightCount => _inFlight.Count;

    /// <summary>How many events are kept; 0 when nothing is in flight.</summary>
    public int KeptEvents => _events.Count;

    /// <summary>Takes out the first pod, which is in flight from then on.</summary>
    public QueuedPodInfo? Pop()
    {
        var pod = Heap.Pop();
        if (pod is not null)
        {
            _inFlight[pod.Pod.Uid] = new InFlightPod(_number);
        }

        return pod;
    }

    public bool IsInFlight(string uid) => _inFlight.ContainsKey(uid);

    /// <summary>Notes a newer version of a pod in flight.</summary>
    public void SetLatest(PodInfo pod) => _inFlight[pod.Uid].Latest = pod;

    /// <summary>Notes that the pod in flight need not come back.</summary>
    public void SetGone(string uid)
    {
        if (_inFlight.TryGetValue(uid, out var inFlight))
        {
            inFlight.Gone = true;
        }
    }

    /// <summary>What became of the pod while it was in flight: a newer version or null, and whether it is gone.</summary>
    public (PodInfo? Latest, bool Gone) Fate(string uid) =>
        _inFlight.TryGetValue(uid, out var inFlight) ? (inFlight.Latest, inFlight.Gone) : (null, false);

    public void Observe(in ClusterChange change)
    {
        if (_inFlight.Count > 0)
        {
            _events.Enqueue((++_number, change));
        }
    }

    /// <summary>The events since the pod was taken out, oldest first.</summary>
    public IEnumerable<ClusterChange> EventsSince(string uid)
    {
        if (!_inFlight.TryGetValue(uid, out var inFlight))
        {
            yield break;
        }

        foreach (var (number, change) in _events)
        {
            if (number > inFlight.Start)
            {
                yield return change;
            }
        }
    }

    /// <summary>The pod is no longer in flight. Events that nobody can need any more are dropped.</summary>
    public void Done(string uid)
    {
        if (!_inFlight.Remove(uid))
        {
            return;
        }

        if (_inFlight.Count == 0)
        {
            _events.Clear();
            return;
        }

        // Looking for the oldest pod costs as many steps as there are pods in flight, and that number is bounded.
        if (_events.Count > 0)
        {
            var oldest = _inFlight.Values.Min(p => p.Start);
            while (_events.TryPeek(out var first) && first.Number <= oldest)
            {
                _events.Dequeue();
            }
        }
    }

    private sealed class InFlightPod(long start)
    {
        /// <summary>Number of the last event before the pod was taken out.</summary>
        public long Start { get; } = start;

        public PodInfo? Latest { get; set; }

        public bool Gone { get; set; }
    }
}
