using System.Collections;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>A JSON array.</summary>
public sealed class ApiArray : ApiNode, IEnumerable<ApiNode>
{
    private readonly List<ApiNode> _items;

    public ApiArray() => _items = [];

    public ApiArray(IEnumerable<ApiNode> items) => _items = [.. items];

    /// <inheritdoc/>
    public override JsonValueKind Kind => JsonValueKind.Array;

    public int Count => _items.Count;

    public new ApiNode this[int index]
    {
        get => _items[index];
        set => _items[index] = value;
    }

    /// <summary>The elements that are objects, in order.</summary>
    public IEnumerable<ApiObject> Objects => _items.OfType<ApiObject>();

    /// <summary>The elements that are strings, in order.</summary>
    public IEnumerable<string> Strings => _items.Select(i => i.AsString()).OfType<string>();

    public static ApiArray OfStrings(IEnumerable<string> values) => new(values.Select(v => (ApiNode)ApiScalar.String(v)));

    public void Add(ApiNode item) => _items.Add(item);

    public void Insert(int index, ApiNode item) => _items.Insert(index, item);

    public void RemoveAt(int index) => _items.RemoveAt(index);

    public int RemoveAll(Predicate<ApiNode> match) => _items.RemoveAll(match);

    public void Clear() => _items.Clear();

    /// <inheritdoc/>
    public override ApiNode DeepClone() => new ApiArray(_items.Select(i => i.DeepClone()));

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var item in _items)
        {
            item.Write(writer);
        }

        writer.WriteEndArray();
    }

    public List<ApiNode>.Enumerator GetEnumerator() => _items.GetEnumerator();

    IEnumerator<ApiNode> IEnumerable<ApiNode>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal ApiNode ItemAt(int index) => _items[index];

    private protected override bool DeepEqualsCore(ApiNode other)
    {
        if (other is not ApiArray array || array.Count != Count)
        {
            return false;
        }

        for (var i = 0; i < Count; i++)
        {
            if (!DeepEquals(_items[i], array._items[i]))
            {
                return false;
            }
        }

        return true;
    }
}
