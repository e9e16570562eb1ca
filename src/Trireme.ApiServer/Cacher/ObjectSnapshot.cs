namespace Trireme.ApiServer.Cacher;

/// <summary>
/// The objects of a resource at one moment, ordered by key; never changes, so a list that takes seconds to send stays consistent.
/// </summary>
/// <remarks>
/// Two levels of arrays: a change copies one chunk and the table of chunks and shares the rest, which is about a microsecond for
/// 100,000 objects. Every chunk knows the sum of its sizes, so the length of a response is known before its first byte.
/// Keys are compared by UTF-16 code unit, which for the characters that names may have is the store's order.
/// </remarks>
public sealed class ObjectSnapshot
{
    /// <summary>Full chunks split in two; 256 references are 2 KB, the cost of a change.</summary>
    private const int ChunkCapacity = 256;

    private readonly Chunk[] _chunks;

    private ObjectSnapshot(Chunk[] chunks) => _chunks = chunks;

    public static ObjectSnapshot Empty { get; } = new([]);

    /// <summary>Number of objects.</summary>
    public int Count
    {
        get
        {
            var count = 0;
            foreach (var chunk in _chunks)
            {
                count += chunk.Items.Length;
            }

            return count;
        }
    }

    /// <summary>Builds a snapshot from objects in ascending order of their keys.</summary>
    public static ObjectSnapshot Create(IReadOnlyList<CacheEntry> ordered)
    {
        const int Fill = ChunkCapacity * 3 / 4;
        var chunks = new Chunk[(ordered.Count + Fill - 1) / Fill];
        for (var i = 0; i < chunks.Length; i++)
        {
            var items = new CacheEntry[Math.Min(Fill, ordered.Count - (i * Fill))];
            for (var j = 0; j < items.Length; j++)
            {
                items[j] = ordered[(i * Fill) + j];
            }

            chunks[i] = new Chunk(items);
        }

        return new ObjectSnapshot(chunks);
    }

    /// <summary>The object with this store key, or null.</summary>
    public CacheEntry? Find(string key)
    {
        var c = ChunkOf(key);
        if (c < 0)
        {
            return null;
        }

        var i = _chunks[c].IndexOf(key);
        return i >= 0 ? _chunks[c].Items[i] : null;
    }

    /// <summary>The snapshot with the object added or replaced.</summary>
    public ObjectSnapshot Set(CacheEntry item)
    {
        if (_chunks.Length == 0)
        {
            return new ObjectSnapshot([new Chunk([item])]);
        }

        var c = Math.Max(ChunkOf(item.Key), 0);
        var items = _chunks[c].Items;
        var i = _chunks[c].IndexOf(item.Key);
        if (i >= 0)
        {
            var replaced = (CacheEntry[])items.Clone();
            replaced[i] = item;
            return WithChunk(c, new Chunk(replaced));
        }

        var grown = new CacheEntry[items.Length + 1];
        Array.Copy(items, grown, ~i);
        grown[~i] = item;
        Array.Copy(items, ~i, grown, ~i + 1, items.Length - ~i);
        if (grown.Length <= ChunkCapacity)
        {
            return WithChunk(c, new Chunk(grown));
        }

        var half = grown.Length / 2;
        var chunks = new Chunk[_chunks.Length + 1];
        Array.Copy(_chunks, chunks, c);
        chunks[c] = new Chunk(grown[..half]);
        chunks[c + 1] = new Chunk(grown[half..]);
        Array.Copy(_chunks, c + 1, chunks, c + 2, _chunks.Length - c - 1);
        return new ObjectSnapshot(chunks);
    }

    /// <summary>The snapshot without the object; itself when there is none.</summary>
    public ObjectSnapshot Remove(string key)
    {
        var c = ChunkOf(key);
        var i = c < 0 ? -1 : _chunks[c].IndexOf(key);
        if (i < 0)
        {
            return this;
        }

        var items = _chunks[c].Items;
        if (items.Length > 1)
        {
            var shrunk = new CacheEntry[items.Length - 1];
            Array.Copy(items, shrunk, i);
            Array.Copy(items, i + 1, shrunk, i, shrunk.Length - i);
            return WithChunk(c, new Chunk(shrunk));
        }

        var chunks = new Chunk[_chunks.Length - 1];
        Array.Copy(_chunks, chunks, c);
        Array.Copy(_chunks, c + 1, chunks, c, chunks.Length - c);
        return new ObjectSnapshot(chunks);
    }

    /// <summary>The objects whose key begins with <paramref name="prefix"/>, in order.</summary>
    /// <param name="prefix">Ends with a slash.</param>
    /// <param name="start">First key that may be returned; null for all.</param>
    public ObjectRange Range(string prefix, string? start = null)
    {
        var end = string.Concat(prefix.AsSpan(0, prefix.Length - 1), [(char)(prefix[^1] + 1)]);
        var from = start is not null && string.CompareOrdinal(start, prefix) > 0 ? start : prefix;
        var (c, i) = Locate(from);
        var (endChunk, endIndex) = Locate(end);
        return string.CompareOrdinal(from, end) >= 0
            ? new ObjectRange(this, c, i, c, i)
            : new ObjectRange(this, c, i, endChunk, endIndex);
    }

    internal ReadOnlySpan<Chunk> Chunks => _chunks;

    /// <summary>Position of the first object whose key is not less than <paramref name="key"/>.</summary>
    private (int Chunk, int Index) Locate(string key)
    {
        var c = ChunkOf(key);
        if (c < 0)
        {
            return (0, 0);
        }

        var i = _chunks[c].IndexOf(key);
        i = i >= 0 ? i : ~i;
        return i == _chunks[c].Items.Length ? (c + 1, 0) : (c, i);
    }

    /// <summary>The last chunk whose first key is not greater than <paramref name="key"/>; -1 when all are greater.</summary>
    private int ChunkOf(string key)
    {
        int low = 0, high = _chunks.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (string.CompareOrdinal(_chunks[middle].Items[0].Key, key) <= 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high;
    }

    private ObjectSnapshot WithChunk(int index, Chunk chunk)
    {
        var chunks = (Chunk[])_chunks.Clone();
        chunks[index] = chunk;
        return new ObjectSnapshot(chunks);
    }

    /// <summary>Up to <see cref="ChunkCapacity"/> objects in order; never empty.</summary>
    internal sealed class Chunk
    {
        public Chunk(CacheEntry[] items)
        {
            Items = items;
            foreach (var item in items)
            {
                Utf8Length += item.Utf8.Length;
            }
        }

        public CacheEntry[] Items { get; }

        public long Utf8Length { get; }

        /// <summary>Index of the key, or the complement of where it would be.</summary>
        public int IndexOf(string key)
        {
            int low = 0, high = Items.Length - 1;
            while (low <= high)
            {
                var middle = (low + high) >>> 1;
                var order = string.CompareOrdinal(Items[middle].Key, key);
                if (order == 0)
                {
                    return middle;
                }

                if (order < 0)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle - 1;
                }
            }

            return ~low;
        }
    }
}
