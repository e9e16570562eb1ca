namespace Trireme.Storage.Watching;

/// <summary>The last changes in the order of their revisions, bounded by number and by bytes. Not thread-safe.</summary>
/// <remarks>Invariant: holds every change behind <see cref="Floor"/>; a revision is remembered whole or not at all.</remarks>
internal sealed class ChangeRing(long floor, int capacity, long capacityBytes)
{
    private StoreEvent[] _items = new StoreEvent[64];
    private int _first;
    private int _count;
    private long _bytes;

    /// <summary>Changes up to here are no longer remembered.</summary>
    public long Floor { get; private set; } = floor;

    /// <summary>Remembers changes, and forgets the oldest revisions for them.</summary>
    public void Add(IReadOnlyList<StoreEvent> changes)
    {
        for (var i = 0; i < changes.Count; i++)
        {
            if (_count == _items.Length)
            {
                Grow();
            }

            _items[(_first + _count++) % _items.Length] = changes[i];
            _bytes += Size(changes[i]);
        }

        while (_count > capacity || (_bytes > capacityBytes && _count > 0))
        {
            Floor = this[0].Revision.Value;
            while (_count > 0 && this[0].Revision.Value == Floor)
            {
                RemoveFirst();
            }
        }
    }

    /// <summary>Forgets everything up to a revision.</summary>
    public void Clear(long floor)
    {
        while (_count > 0)
        {
            RemoveFirst();
        }

        Floor = floor;
    }

    /// <summary>Collects changes under a prefix behind the cursor, at most about <paramref name="max"/>, whole revisions; moves the cursor.</summary>
    /// <returns>Whether there may be more behind the cursor.</returns>
    public bool Read(string prefix, ref long cursor, List<StoreEvent> into, int max)
    {
        for (var i = FirstAfter(cursor); i < _count; i++)
        {
            var change = this[i];
            if (into.Count >= max && change.Revision.Value > cursor)
            {
                return true;
            }

            if (change.Key.StartsWith(prefix, StringComparison.Ordinal))
            {
                into.Add(change);
            }

            cursor = change.Revision.Value;
        }

        return false;
    }

    private ref StoreEvent this[int index] => ref _items[(_first + index) % _items.Length];

    private static long Size(in StoreEvent change) => 128 + (change.Entry?.Value.Length ?? 0);

    private int FirstAfter(long revision)
    {
        int low = 0, high = _count;
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = this[middle].Revision.Value <= revision ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private void RemoveFirst()
    {
        _bytes -= Size(this[0]);
        this[0] = default;
        _first = (_first + 1) % _items.Length;
        _count--;
    }

    private void Grow()
    {
        var items = new StoreEvent[_items.Length * 2];
        for (var i = 0; i < _count; i++)
        {
            items[i] = this[i];
        }

        (_items, _first) = (items, 0);
    }
}
