using System.Diagnostics.CodeAnalysis;

namespace Trireme.Scheduler.Queue;

/// <summary>A binary heap of pods with removal by uid. Not thread-safe. A pod is in one heap at most.</summary>
internal sealed class PodHeap(Comparison<QueuedPodInfo> compare)
{
    private readonly List<QueuedPodInfo> _items = [];
    private readonly Dictionary<string, QueuedPodInfo> _byUid = new(StringComparer.Ordinal);

    public int Count => _items.Count;

    public IReadOnlyList<QueuedPodInfo> Items => _items;

    public bool TryGet(string uid, [NotNullWhen(true)] out QueuedPodInfo? pod) => _byUid.TryGetValue(uid, out pod);

    public QueuedPodInfo? Peek() => _items.Count == 0 ? null : _items[0];

    public void Push(QueuedPodInfo pod)
    {
        _byUid[pod.Pod.Uid] = pod;
        pod.HeapIndex = _items.Count;
        _items.Add(pod);
        Up(pod.HeapIndex);
    }

    public QueuedPodInfo? Pop()
    {
        var top = Peek();
        if (top is not null)
        {
            Remove(top.Pod.Uid);
        }

        return top;
    }

    public QueuedPodInfo? Remove(string uid)
    {
        if (!_byUid.Remove(uid, out var pod))
        {
            return null;
        }

        var index = pod.HeapIndex;
        var last = _items[^1];
        _items.RemoveAt(_items.Count - 1);
        pod.HeapIndex = -1;
        if (!ReferenceEquals(last, pod))
        {
            Place(last, index);
            Up(index);
            Down(last.HeapIndex);
        }

        return pod;
    }

    /// <summary>Restores the order after the pod's rank changed.</summary>
    public void Fix(QueuedPodInfo pod)
    {
        Up(pod.HeapIndex);
        Down(pod.HeapIndex);
    }

    private void Place(QueuedPodInfo pod, int index)
    {
        _items[index] = pod;
        pod.HeapIndex = index;
    }

    private void Up(int index)
    {
        var pod = _items[index];
        while (index > 0)
        {
            var parent = (index - 1) / 2;
            if (compare(pod, _items[parent]) >= 0)
            {
                break;
            }

            Place(_items[parent], index);
            index = parent;
        }

        Place(pod, index);
    }

    private void Down(int index)
    {
        var pod = _items[index];
        while (true)
        {
            var child = (2 * index) + 1;
            if (child >= _items.Count)
            {
                break;
            }

            if (child + 1 < _items.Count && compare(_items[child + 1], _items[child]) < 0)
            {
                child++;
            }

            if (compare(_items[child], pod) >= 0)
            {
                break;
            }

            Place(_items[child], index);
            index = child;
        }

        Place(pod, index);
    }
}
