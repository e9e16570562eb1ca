namespace Trireme.ApiServer.Cacher;

/// <summary>A run of objects of a snapshot, in the order of their keys. Enumerating it allocates nothing.</summary>
public readonly struct ObjectRange
{
    private readonly ObjectSnapshot _snapshot;
    private readonly int _chunk;
    private readonly int _index;
    private readonly int _endChunk;
    private readonly int _endIndex;

    internal ObjectRange(ObjectSnapshot snapshot, int chunk, int index, int endChunk, int endIndex)
    {
        _snapshot = snapshot;
        _chunk = chunk;
        _index = index;
        _endChunk = endChunk;
        _endIndex = endIndex;
    }

    /// <summary>Number of objects and the sum of their sizes in bytes.</summary>
    public (int Count, long Utf8Length) Measure()
    {
        var count = 0;
        long length = 0;
        var chunks = _snapshot.Chunks;
        for (var c = _chunk; c < chunks.Length && c <= _endChunk; c++)
        {
            var from = c == _chunk ? _index : 0;
            var to = c == _endChunk ? _endIndex : chunks[c].Items.Length;
            if (from == 0 && to == chunks[c].Items.Length)
            {
                count += to;
                length += chunks[c].Utf8Length;
                continue;
            }

            for (var i = from; i < to; i++)
            {
                count++;
                length += chunks[c].Items[i].Utf8.Length;
            }
        }

        return (count, length);
    }

    /// <summary>The first <paramref name="count"/> objects of the range; all of it if there are fewer.</summary>
    public ObjectRange Take(int count)
    {
        var chunks = _snapshot.Chunks;
        int c = _chunk, i = _index;
        while (c < chunks.Length && c <= _endChunk)
        {
            var to = c == _endChunk ? _endIndex : chunks[c].Items.Length;
            if (to - i >= count)
            {
                return new ObjectRange(_snapshot, _chunk, _index, c, i + count);
            }

            count -= to - i;
            c++;
            i = 0;
        }

        return this;
    }

    public Enumerator GetEnumerator() => new(this);

    /// <summary>Walks the range; may live across awaits.</summary>
    public struct Enumerator
    {
        private readonly ObjectRange _range;
        private int _chunk;
        private int _index;

        internal Enumerator(ObjectRange range)
        {
            _range = range;
            _chunk = range._chunk;
            _index = range._index - 1;
            Current = null!;
        }

        public CacheEntry Current { get; private set; }

        public bool MoveNext()
        {
            var chunks = _range._snapshot.Chunks;
            _index++;
            while (_chunk < chunks.Length && _chunk <= _range._endChunk)
            {
                var items = chunks[_chunk].Items;
                if (_index < (_chunk == _range._endChunk ? _range._endIndex : items.Length))
                {
                    Current = items[_index];
                    return true;
                }

                _chunk++;
                _index = 0;
            }

            return false;
        }
    }
}
