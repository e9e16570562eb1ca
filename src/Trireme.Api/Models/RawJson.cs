using System.Text;
using System.Text.Json;

namespace Trireme.Api.Models;

/// <summary>A JSON value kept as the bytes in which it came.</summary>
public readonly record struct RawJson(ReadOnlyMemory<byte> Utf8)
{
    public void Write(Utf8JsonWriter writer)
    {
        if (Utf8.IsEmpty)
        {
            writer.WriteNullValue();
        }
        else
        {
            writer.WriteRawValue(Utf8.Span, skipInputValidation: true);
        }
    }

    /// <summary>The JSON text.</summary>
    public override string ToString() => Encoding.UTF8.GetString(Utf8.Span);
}

/// <summary>Fields of an object that its type does not know, in the order in which they came.</summary>
public sealed class UnknownFields
{
    private readonly List<(string Name, RawJson Value)> _fields = [];

    /// <summary>Adds a field behind those that are there.</summary>
    public void Add(string name, RawJson value) => _fields.Add((name, value));

    /// <summary>Writes the fields into the object that <paramref name="writer"/> has open.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        foreach (var (name, value) in _fields)
        {
            writer.WritePropertyName(name);
            value.Write(writer);
        }
    }
}
