using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>
/// One JSON value of an <see cref="ApiDocument"/>: an <see cref="ApiObject"/>, an <see cref="ApiArray"/> or an <see cref="ApiScalar"/>.
/// </summary>
/// <remarks>
/// Nodes have no parent: a scalar may stand in many places, an object or array must stand in one (<see cref="DeepClone"/> makes another).
/// A missing field and a JSON null both read as C# null through indexers and <c>As…</c>; <see cref="ApiObject.TryGetValue"/> tells them apart.
/// Not safe for concurrent change; concurrent reads are fine.
/// </remarks>
public abstract class ApiNode
{
    private protected ApiNode()
    {
    }

    /// <summary>What JSON calls this value.</summary>
    public abstract JsonValueKind Kind { get; }

    /// <summary>The field's value; null where this is no object, the field is missing or its value is JSON null.</summary>
    public ApiNode? this[string name] =>
        this is ApiObject o && o.TryGetValue(name, out var value) && value.Kind != JsonValueKind.Null ? value : null;

    /// <summary>The element; null where this is no array or has no such index.</summary>
    public ApiNode? this[int index] => this is ApiArray a && (uint)index < (uint)a.Count ? a.ItemAt(index) : null;

    public static implicit operator ApiNode(string? value) => value is null ? ApiScalar.Null : ApiScalar.String(value);

    public static implicit operator ApiNode(long value) => ApiScalar.Number(value);

    public static implicit operator ApiNode(int value) => ApiScalar.Number(value);

    public static implicit operator ApiNode(bool value) => value ? ApiScalar.True : ApiScalar.False;

    /// <summary>Reads one JSON value.</summary>
    /// <exception cref="ApiDocumentException">The bytes are no JSON.</exception>
    public static ApiNode Parse(ReadOnlySpan<byte> utf8) => DocumentReader.Read(utf8, duplicateFields: null);

    /// <summary>Reads one JSON value from text.</summary>
    /// <exception cref="ApiDocumentException">The text is no JSON.</exception>
    public static ApiNode Parse(string json) => Parse(Encoding.UTF8.GetBytes(json));

    /// <summary>Whether two values mean the same: objects without regard to field order, numbers by value (1 equals 1.0).</summary>
    public static bool DeepEquals(ApiNode? left, ApiNode? right)
    {
        left = left is { Kind: JsonValueKind.Null } ? null : left;
        right = right is { Kind: JsonValueKind.Null } ? null : right;
        return ReferenceEquals(left, right) || (left is not null && right is not null && left.DeepEqualsCore(right));
    }

    public ApiObject? AsObject() => this as ApiObject;

    public ApiArray? AsArray() => this as ApiArray;

    /// <summary>The text of a JSON string; null for every other value.</summary>
    public string? AsString() => this is ApiScalar { Kind: JsonValueKind.String } s ? s.Text : null;

    /// <summary>The value of a whole JSON number within 64 bits; null for every other value.</summary>
    public long? AsInt64() => this is ApiScalar { Kind: JsonValueKind.Number } s ? s.WholeNumber : null;

    /// <summary>The value of a whole JSON number within 32 bits; null for every other value.</summary>
    public int? AsInt32() => AsInt64() is { } n and >= int.MinValue and <= int.MaxValue ? (int)n : null;

    public double? AsDouble() =>
        this is ApiScalar { Kind: JsonValueKind.Number } s && double.TryParse(s.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var d) ? d : null;

    public bool? AsBoolean() => Kind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    /// <summary>The value under a chain of field names; null where one is missing.</summary>
    public ApiNode? Find(params ReadOnlySpan<string> names)
    {
        ApiNode? node = this;
        foreach (var name in names)
        {
            node = node?[name];
        }

        return node;
    }

    /// <summary>Whether objects and arrays nest more than <paramref name="levels"/> deep in this value, itself included. Looks no deeper than that.</summary>
    public bool IsDeeperThan(int levels)
    {
        if (this is ApiScalar)
        {
            return false;
        }

        if (levels <= 0)
        {
            return true;
        }

        if (this is ApiObject o)
        {
            foreach (var (_, value) in o)
            {
                if (value.IsDeeperThan(levels - 1))
                {
                    return true;
                }
            }
        }
        else if (this is ApiArray a)
        {
            for (var i = 0; i < a.Count; i++)
            {
                if (a[i].IsDeeperThan(levels - 1))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>A copy that shares nothing that can change.</summary>
    public abstract ApiNode DeepClone();

    /// <summary>Writes compact JSON.</summary>
    public abstract void Write(Utf8JsonWriter writer);

    /// <summary>Writes compact JSON.</summary>
    public void WriteTo(IBufferWriter<byte> output)
    {
        using var writer = new Utf8JsonWriter(output, DocumentWriter.Options);
        Write(writer);
    }

    /// <summary>The value as compact UTF-8 JSON.</summary>
    public byte[] ToUtf8()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        WriteTo(buffer);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The value as compact JSON text.</summary>
    public override string ToString() => Encoding.UTF8.GetString(ToUtf8());

    private protected abstract bool DeepEqualsCore(ApiNode other);
}
