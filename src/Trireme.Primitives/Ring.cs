using System.Collections;

namespace Trireme.Primitives;

/// <summary>The last <c>capacity</c> items, oldest first; adding to a full ring drops the oldest.</summary>
/// <remarks>Not for concurrent use.</remarks>
public sealed class Ring<T> : IReadOnlyList<T>
{
    private readonly T[] _items;
    private int _first;

    public Ring(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _items = new T[capacity];
    }

    public int Capacity => _items.Length;

    public int Count { get; private set; }

    public bool IsFull => Count == _items.Length;

    /// <summary>The item at <paramref name="index"/>, 0 being the oldest.</summary>
    public T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return _items[(_first + index) % _items.Length];
        }
    }

    /// <summary>Adds an item behind the newest.</summary>
    /// <returns>Whether the oldest had to go for it.</returns>
    public bool Add(T item)
    {
        if (IsFull)
        {
            _items[_first] = item;
            _first = (_first + 1) % _items.Length;
            return true;
        }

        _items[(_first + Count) % _items.Length] = item;
        Count++;
        return false;
    }

    public void Clear()
    {
        Array.Clear(_items);
        _first = 0;
        Count = 0;
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (var i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
