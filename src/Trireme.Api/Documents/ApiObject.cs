using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>A JSON object that keeps the order of its fields.</summary>
public sealed class ApiObject : ApiNode, IEnumerable<KeyValuePair<string, ApiNode>>
{
    /// <summary>From here on a lookup table pays for itself (large ConfigMaps).</summary>
    private const int IndexThreshold = 24;

    private string[] _names;
    private ApiNode[] _values;
    private int _count;
    private Dictionary<string, int>? _index;

    public ApiObject()
        : this(4)
    {
    }

    public ApiObject(int capacity)
    {
        _names = capacity == 0 ? [] : new string[capacity];
        _values = capacity == 0 ? [] : new ApiNode[capacity];
    }

    /// <inheritdoc/>
    public override JsonValueKind Kind => JsonValueKind.Object;

    public int Count => _count;

    /// <summary>The names in order.</summary>
    public ReadOnlySpan<string> Names => _names.AsSpan(0, _count);

    /// <summary>The field's value (null when missing or JSON null); setting null removes the field.</summary>
    public new ApiNode? this[string name]
    {
        get => base[name];
        set
        {
            if (value is null)
            {
                Remove(name);
            }
            else
            {
                Set(name, value);
            }
        }
    }

    /// <summary>The field's value as it stands, JSON null included.</summary>
    public bool TryGetValue(string name, [NotNullWhen(true)] out ApiNode? value)
    {
        var i = IndexOf(name);
        value = i < 0 ? null : _values[i];
        return i >= 0;
    }

    /// <summary>Whether the field is there, be it JSON null.</summary>
    public bool ContainsKey(string name) => IndexOf(name) >= 0;

    /// <summary>Replaces the field's value in its place, or appends the field.</summary>
    public void Set(string name, ApiNode value)
    {
        var i = IndexOf(name);
        if (i >= 0)
        {
            _values[i] = value;
        }
        else
        {
            Append(name, value);
        }
    }

    /// <summary>As <see cref="Set"/>: for collection initializers.</summary>
    public void Add(string name, ApiNode value) => Set(name, value);

    /// <summary>Sets the field to a string, or removes it when <paramref name="value"/> is null or empty.</summary>
    public void SetOrRemove(string name, string? value) => this[name] = string.IsNullOrEmpty(value) ? null : ApiScalar.String(value);

    /// <summary>Puts a field in front of the others, replacing one of that name.</summary>
    public void SetFirst(string name, ApiNode value)
    {
        Remove(name);
        Append(name, value);
        Array.Copy(_names, 0, _names, 1, _count - 1);
        Array.Copy(_values, 0, _values, 1, _count - 1);
        _names[0] = name;
        _values[0] = value;
        _index = null;
    }

    /// <summary>Removes the field; false when it was not there.</summary>
    public bool Remove(string name)
    {
        var i = IndexOf(name);
        if (i < 0)
        {
            return false;
        }

        _count--;
        Array.Copy(_names, i + 1, _names, i, _count - i);
        Array.Copy(_values, i + 1, _values, i, _count - i);
        _names[_count] = null!;
        _values[_count] = null!;
        _index = null;
        return true;
    }

    public void Clear()
    {
        Array.Clear(_names, 0, _count);
        Array.Clear(_values, 0, _count);
        _count = 0;
        _index = null;
    }

    public ApiObject? GetObject(string name) => this[name] as ApiObject;

    public ApiArray? GetArray(string name) => this[name] as ApiArray;

    public string? GetString(string name) => this[name]?.AsString();

    public long? GetInt64(string name) => this[name]?.AsInt64();

    public int? GetInt32(string name) => this[name]?.AsInt32();

    public bool? GetBoolean(string name) => this[name]?.AsBoolean();

    /// <summary>The object in the field; a new one is put there when the field holds none.</summary>
    public ApiObject GetOrAddObject(string name)
    {
        if (this[name] is ApiObject existing)
        {
            return existing;
        }

        var added = new ApiObject();
        Set(name, added);
        return added;
    }

    /// <summary>The array in the field; a new one is put there when the field holds none.</summary>
    public ApiArray GetOrAddArray(string name)
    {
        if (this[name] is ApiArray existing)
        {
            return existing;
        }

        var added = new ApiArray();
        Set(name, added);
        return added;
    }

    /// <inheritdoc/>
    public override ApiNode DeepClone() => Clone();

    /// <summary>A copy that shares nothing that can change.</summary>
    public ApiObject Clone()
    {
        var copy = new ApiObject(_count);
        for (var i = 0; i < _count; i++)
        {
            copy._names[i] = _names[i];
            copy._values[i] = _values[i].DeepClone();
        }

        copy._count = _count;
        return copy;
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        for (var i = 0; i < _count; i++)
        {
            writer.WritePropertyName(_names[i]);
            _values[i].Write(writer);
        }

        writer.WriteEndObject();
    }

    /// <summary>Walks the fields in order; the object must not gain or lose fields meanwhile.</summary>
    public Enumerator GetEnumerator() => new(this);

    IEnumerator<KeyValuePair<string, ApiNode>> IEnumerable<KeyValuePair<string, ApiNode>>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Appends without looking for a field of that name: for readers that have looked already.</summary>
    internal void Append(string name, ApiNode value)
    {
        if (_count == _names.Length)
        {
            var capacity = Math.Max(4, _count * 2);
            Array.Resize(ref _names, capacity);
            Array.Resize(ref _values, capacity);
        }

        _names[_count] = name;
        _values[_count] = value;
        _index?.Add(name, _count);
        _count++;
    }

    /// <summary>Orders the fields by rank, keeping the order of those with equal rank.</summary>
    internal void OrderBy(Func<string, int> rank)
    {
        var ranks = new int[_count];
        var sorted = true;
        for (var i = 0; i < _count; i++)
        {
            ranks[i] = rank(_names[i]);
            sorted &= i == 0 || ranks[i - 1] <= ranks[i];
        }

        if (sorted)
        {
            return;
        }

        var order = Enumerable.Range(0, _count).OrderBy(i => ranks[i]).ToArray();
        _names = [.. order.Select(i => _names[i])];
        _values = [.. order.Select(i => _values[i])];
        _index = null;
    }

    private protected override bool DeepEqualsCore(ApiNode other)
    {
        if (other is not ApiObject o || o._count != _count)
        {
            return false;
        }

        for (var i = 0; i < _count; i++)
        {
            if (!o.TryGetValue(_names[i], out var value) || !DeepEquals(_values[i], value))
            {
                return false;
            }
        }

        return true;
    }

    private int IndexOf(string name)
    {
        if (_count >= IndexThreshold)
        {
            if (_index is null)
            {
                var index = new Dictionary<string, int>(_count * 2, StringComparer.Ordinal);
                for (var i = 0; i < _count; i++)
                {
                    index[_names[i]] = i;
                }

                _index = index;
            }

            return _index.TryGetValue(name, out var found) ? found : -1;
        }

        for (var i = 0; i < _count; i++)
        {
            if (ReferenceEquals(_names[i], name) || _names[i] == name)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Walks the fields in order.</summary>
    public struct Enumerator : IEnumerator<KeyValuePair<string, ApiNode>>
    {
        private readonly ApiObject _owner;
        private int _next;

        internal Enumerator(ApiObject owner) => _owner = owner;

        public readonly KeyValuePair<string, ApiNode> Current => new(_owner._names[_next - 1], _owner._values[_next - 1]);

        readonly object IEnumerator.Current => Current;

        public bool MoveNext() => _next++ < _owner._count;

        public void Reset() => _next = 0;

        public readonly void Dispose()
        {
        }
    }
}
