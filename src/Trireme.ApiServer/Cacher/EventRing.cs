using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>The recent changes of a resource, so that a watch can resume where it broke off. Not thread-safe.</summary>
/// <remarks>
/// Keeps the newest <see cref="CountMin"/> changes and everything younger than <see cref="AgeMin"/>, but no more than
/// <see cref="CountMax"/> changes or <see cref="BytesMax"/> bytes. Invariant: every change after <see cref="Horizon"/> is here.
/// </remarks>
internal sealed class EventRing(TimeProvider time)
{
    public const int CountMin = 1024;
    public const int CountMax = 65_536;
    public const long BytesMax = 64L << 20;

    /// <summary>A client that lost its server finds another and resumes well within this.</summary>
    public static readonly TimeSpan AgeMin = TimeSpan.FromSeconds(75);

    private (WatchCacheEvent Event, long AddedAt)[] _items = new (WatchCacheEvent, long)[64];
    private int _head;
    private int _count;
    private long _bytes;

    /// <summary>A watch that has seen everything up to here, or later, can be resumed.</summary>
    public Revision Horizon { get; private set; }

    /// <summary>Forgets everything; history begins after <paramref name="revision"/>.</summary>
    public void Reset(Revision revision)
    {
        Array.Clear(_items);
        _head = _count = 0;
        _bytes = 0;
        Horizon = revision;
    }

    /// <summary>Adds a change that is newer than all before.</summary>
    public void Add(WatchCacheEvent change)
    {
        if (_count == _items.Length)
        {
            Grow();
        }

        var now = time.GetTimestamp();
        _items[(_head + _count++) & (_items.Length - 1)] = (change, now);
        _bytes += change.Object.Utf8.Length;
        while (_count > 1 && MustEvictOldest(now))
        {
            ref var oldest = ref _items[_head];
            _bytes -= oldest.Event.Object.Utf8.Length;
            Horizon = oldest.Event.Revision;
            oldest = default;
            _head = (_head + 1) & (_items.Length - 1);
            _count--;
        }
    }

    /// <summary>The changes after a revision that is not before <see cref="Horizon"/>.</summary>
    public WatchCacheEvent[] After(Revision revision)
    {
        int low = 0, high = _count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (At(middle).Revision <= revision)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        var events = new WatchCacheEvent[_count - low];
        for (var i = 0; i < events.Length; i++)
        {
            events[i] = At(low + i);
        }

        return events;
    }

    private WatchCacheEvent At(int index) => _items[(_head + index) & (_items.Length - 1)].Event;

    private bool MustEvictOldest(long now) =>
        _count > CountMax
        || _bytes > BytesMax
        || (_count > CountMin && time.GetElapsedTime(_items[_head].AddedAt, now) > AgeMin);

    private void Grow()
    {
        var grown = new (WatchCacheEvent, long)[_items.Length * 2];
        for (var i = 0; i < _count; i++)
        {
            grown[i] = _items[(_head + i) & (_items.Length - 1)];
        }

        _items = grown;
        _head = 0;
    }
}
