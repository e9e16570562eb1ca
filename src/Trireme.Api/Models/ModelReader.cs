using System.Globalization;
using System.Text.Json;
using Trireme.Api.Documents;

namespace Trireme.Api.Models;

/// <summary>Reads one value of a list or map.</summary>
public delegate T ModelReadFunction<T>(ref ModelReader reader);

/// <summary>
/// A <see cref="Utf8JsonReader"/> over contiguous bytes together with those bytes, so that fields nobody knows can be kept as they are.
/// </summary>
/// <remarks>
/// Every method that reads a value expects the reader on the value's first token and leaves it on the last. Whatever is wrong with the JSON is a
/// <see cref="JsonException"/>, so that one object that cannot be read can be passed over.
/// </remarks>
public ref struct ModelReader
{
    private readonly ReadOnlySpan<byte> _source;
    private Utf8JsonReader _json;

    /// <summary>Starts before the first token of <paramref name="utf8"/> and moves onto it.</summary>
    public ModelReader(ReadOnlySpan<byte> utf8)
    {
        _source = utf8;
        _json = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = JsonDepth.Read });
        _json.Read();
    }

    /// <summary>Whether the current value is JSON null.</summary>
    public readonly bool IsNull => _json.TokenType == JsonTokenType.Null;

    /// <summary>Name of the property on which <see cref="NextProperty"/> stopped; escapes are resolved.</summary>
    public readonly ReadOnlySpan<byte> PropertyName =>
        _json.ValueIsEscaped ? System.Text.Encoding.UTF8.GetBytes(Text()) : _json.ValueSpan;

    /// <summary>Demands that the current token opens an object.</summary>
    public readonly void BeginObject()
    {
        if (_json.TokenType != JsonTokenType.StartObject)
        {
            throw Unexpected("an object");
        }
    }

    /// <summary>Moves to the next property name of the object; false at its end.</summary>
    public bool NextProperty() => _json.Read() && _json.TokenType == JsonTokenType.PropertyName;

    /// <summary>Moves from a property name to its value.</summary>
    public void Advance() => _json.Read();

    /// <summary>Keeps the property on which the reader stands, name and value, in <paramref name="unknown"/>.</summary>
    public void KeepUnknown(ref UnknownFields? unknown)
    {
        var name = Text();
        _json.Read();
        (unknown ??= new UnknownFields()).Add(name, ReadRaw());
    }

    /// <summary>Passes over the property on which the reader stands, name and value.</summary>
    public void SkipProperty()
    {
        _json.Read();
        _json.Skip();
    }

    public string? ReadString() => _json.TokenType switch
    {
        JsonTokenType.String => Text(),
        JsonTokenType.Null => null,
        _ => throw Unexpected("a string"),
    };

    public bool ReadBoolean() => ReadNullableBoolean() ?? false;

    public readonly bool? ReadNullableBoolean() => _json.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        JsonTokenType.Null => null,
        _ => throw Unexpected("a boolean"),
    };

    public int ReadInt32() => ReadNullableInt32() ?? 0;

    public readonly int? ReadNullableInt32() => IsNull ? null : IsNumber && _json.TryGetInt32(out var value) ? value : throw Unexpected("an integer of 32 bits");

    public long ReadInt64() => ReadNullableInt64() ?? 0;

    public readonly long? ReadNullableInt64() => IsNull ? null : IsNumber && _json.TryGetInt64(out var value) ? value : throw Unexpected("an integer of 64 bits");

    public double ReadDouble() => ReadNullableDouble() ?? 0;

    public readonly double? ReadNullableDouble() => IsNull ? null : IsNumber && _json.TryGetDouble(out var value) ? value : throw Unexpected("a number");

    public Quantity ReadQuantity() => ReadNullableQuantity() ?? default;

    /// <summary>Reads a quantity; numbers are accepted as Kubernetes accepts them.</summary>
    public Quantity? ReadNullableQuantity() => _json.TokenType switch
    {
        JsonTokenType.Null => default(Quantity?),
        JsonTokenType.String => new Quantity(Text()),
        JsonTokenType.Number => new Quantity(System.Text.Encoding.UTF8.GetString(_json.ValueSpan)),
        _ => throw Unexpected("a quantity"),
    };

    public IntOrString ReadIntOrString() => ReadNullableIntOrString() ?? default;

    public IntOrString? ReadNullableIntOrString() => _json.TokenType switch
    {
        JsonTokenType.Null => default(IntOrString?),
        JsonTokenType.String => new IntOrString(Text()),
        JsonTokenType.Number when _json.TryGetInt32(out var value) => new IntOrString(value),
        _ => throw Unexpected("an integer or a string"),
    };

    public DateTimeOffset ReadTime() => ReadNullableTime() ?? default;

    public DateTimeOffset? ReadNullableTime() => IsNull
        ? null
        : DateTimeOffset.TryParse(ReadString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : throw Unexpected("a time");

    public readonly byte[]? ReadBytes() => IsNull
        ? null
        : _json.TokenType == JsonTokenType.String && _json.TryGetBytesFromBase64(out var value) ? value : throw Unexpected("base64");

    public RawJson ReadRaw()
    {
        var start = (int)_json.TokenStartIndex;
        _json.Skip();
        return new RawJson(_source[start..(int)_json.BytesConsumed].ToArray());
    }

    public RawJson? ReadNullableRaw() => IsNull ? null : ReadRaw();

    /// <summary>Reads an array; JSON null reads as null.</summary>
    public List<T>? ReadList<T>(ModelReadFunction<T> item)
    {
        if (IsNull)
        {
            return null;
        }

        if (_json.TokenType != JsonTokenType.StartArray)
        {
            throw Unexpected("an array");
        }

        var list = new List<T>();
        while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
        {
            list.Add(item(ref this));
        }

        return list;
    }

    /// <summary>Reads an object as a map; JSON null reads as null.</summary>
    public Dictionary<string, T>? ReadMap<T>(ModelReadFunction<T> item)
    {
        if (IsNull)
        {
            return null;
        }

        BeginObject();
        var map = new Dictionary<string, T>(StringComparer.Ordinal);
        while (NextProperty())
        {
            var key = Text();
            _json.Read();
            map[key] = item(ref this);
        }

        return map;
    }

    public Dictionary<string, List<string>>? ReadStringListMap() =>
        ReadMap(static (ref ModelReader r) => r.ReadList(static (ref ModelReader i) => i.ReadString() ?? "") ?? []);

    private readonly bool IsNumber => _json.TokenType == JsonTokenType.Number;

    private readonly string Text()
    {
        try
        {
            return _json.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            // Utf8JsonReader reports invalid UTF-8 and lone surrogates only when the string is asked for.
            throw new JsonException($"Invalid text at byte {_json.TokenStartIndex}", e);
        }
    }

    private readonly JsonException Unexpected(string wanted) =>
        new($"Expected {wanted} but found {_json.TokenType} at byte {_json.TokenStartIndex}");
}
