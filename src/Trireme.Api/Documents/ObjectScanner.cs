using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>What a cache must know of an object, read in one pass over its bytes.</summary>
public sealed record ScannedMetadata(string Name, string? Namespace, string? Uid, string? ResourceVersion, bool IsTerminating);

/// <summary>
/// Reads single fields out of an object's JSON bytes, and splices its resourceVersion in, without building a tree: what caches and selectors do for
/// every object and every event.
/// </summary>
/// <remarks>
/// All methods take well-formed JSON, as it comes from the store (bytes that a request brings are parsed before); malformed bytes throw
/// <see cref="JsonException"/>. Nothing is allocated except what is returned.
/// </remarks>
public static class ObjectScanner
{
    /// <summary>Reads the fields of <c>metadata</c> that identify the object.</summary>
    public static ScannedMetadata ReadMetadata(ReadOnlySpan<byte> utf8)
    {
        string name = "";
        string? ns = null, uid = null, version = null;
        var terminating = false;
        var reader = NewReader(utf8);
        if (!TryEnterField(ref reader, "metadata"u8))
        {
            return new ScannedMetadata(name, ns, uid, version, terminating);
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("name"u8))
            {
                name = NextString(ref reader) ?? "";
            }
            else if (reader.ValueTextEquals("namespace"u8))
            {
                ns = NextString(ref reader);
            }
            else if (reader.ValueTextEquals("uid"u8))
            {
                uid = NextString(ref reader);
            }
            else if (reader.ValueTextEquals("resourceVersion"u8))
            {
                version = NextString(ref reader);
            }
            else if (reader.ValueTextEquals("deletionTimestamp"u8))
            {
                reader.Read();
                terminating = reader.TokenType == JsonTokenType.String;
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        return new ScannedMetadata(name, ns, uid, version, terminating);
    }

    /// <summary>The string at a path of field names; null when missing or no string.</summary>
    public static string? GetString(ReadOnlySpan<byte> utf8, params ReadOnlySpan<string> path)
    {
        var reader = NewReader(utf8);
        return TryMoveTo(ref reader, path) && reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
    }

    /// <summary>The whole number at a path; null when missing or no such number.</summary>
    public static long? GetInt64(ReadOnlySpan<byte> utf8, params ReadOnlySpan<string> path)
    {
        var reader = NewReader(utf8);
        return TryMoveTo(ref reader, path) && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var value) ? value : null;
    }

    /// <summary>
    /// The value at a path as field selectors compare it: strings as they are, numbers and booleans as their text, missing and null as empty.
    /// </summary>
    public static string GetText(ReadOnlySpan<byte> utf8, params ReadOnlySpan<string> path)
    {
        var reader = NewReader(utf8);
        return !TryMoveTo(ref reader, path)
            ? ""
            : reader.TokenType switch
            {
                JsonTokenType.String => reader.GetString()!,
                JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False => Encoding.UTF8.GetString(reader.ValueSpan),
                _ => "",
            };
    }

    /// <summary>Whether the value at a path, read as <see cref="GetText"/> does, equals <paramref name="text"/>; allocates nothing.</summary>
    public static bool TextEquals(ReadOnlySpan<byte> utf8, ReadOnlySpan<string> path, string text)
    {
        var reader = NewReader(utf8);
        if (!TryMoveTo(ref reader, path))
        {
            return text.Length == 0;
        }

        return reader.TokenType switch
        {
            JsonTokenType.String => reader.ValueTextEquals(text),
            JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False => Ascii.Equals(reader.ValueSpan, text),
            _ => text.Length == 0,
        };
    }

    /// <summary>The JSON of the value at a path, as a slice of the input; empty when missing.</summary>
    public static ReadOnlySpan<byte> GetRaw(ReadOnlySpan<byte> utf8, params ReadOnlySpan<string> path)
    {
        var reader = NewReader(utf8);
        if (!TryMoveTo(ref reader, path))
        {
            return default;
        }

        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return utf8[start..(int)reader.BytesConsumed];
    }

    /// <summary>
    /// The bytes to serve for stored bytes: with <c>metadata.resourceVersion</c> set. Stored bytes carry none (see <see cref="ApiDocument.ToStoredUtf8"/>);
    /// where one is there all the same it is replaced.
    /// </summary>
    public static byte[] SpliceResourceVersion(ReadOnlySpan<byte> utf8, long revision)
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(revision, digits, out var length);
        digits = digits[..length];

        var reader = NewReader(utf8);
        if (!TryEnterField(ref reader, "metadata"u8))
        {
            return SpliceMetadata(utf8, digits);
        }

        var insertAt = (int)reader.BytesConsumed;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("resourceVersion"u8))
            {
                reader.Read();
                var start = (int)reader.TokenStartIndex;
                var end = (int)reader.BytesConsumed;
                return [.. utf8[..start], (byte)'"', .. digits, (byte)'"', .. utf8[end..]];
            }

            reader.Read();
            reader.Skip();
        }

        var rest = utf8[insertAt..];
        var result = new byte[utf8.Length + Field.Length + digits.Length + 2];
        var at = Copy(utf8[..insertAt], result, 0);
        at = Copy(Field, result, at);
        at = Copy(digits, result, at);
        result[at++] = (byte)'"';
        var emptyMetadata = FirstSolid(rest) == (byte)'}';
        if (!emptyMetadata)
        {
            result[at++] = (byte)',';
        }

        at = Copy(rest, result, at);
        return at == result.Length ? result : result[..at];
    }

    /// <summary>Moves a reader, fresh at the start of an object, onto the value at a path of field names.</summary>
    public static bool TryMoveTo(ref Utf8JsonReader reader, scoped ReadOnlySpan<string> path)
    {
        if (reader.TokenType == JsonTokenType.None && !reader.Read())
        {
            return false;
        }

        foreach (var name in path)
        {
            if (reader.TokenType != JsonTokenType.StartObject || !TryFindProperty(ref reader, name))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A reader over an object's bytes that admits what the write path admits.</summary>
    internal static Utf8JsonReader NewReader(ReadOnlySpan<byte> utf8) => new(utf8, new JsonReaderOptions { MaxDepth = JsonDepth.Read });

    private static ReadOnlySpan<byte> Field => "\"resourceVersion\":\""u8;

    private static bool TryFindProperty(ref Utf8JsonReader reader, string name)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals(name);
            reader.Read();
            if (found)
            {
                return true;
            }

            reader.Skip();
        }

        return false;
    }

    /// <summary>Moves onto the opening brace of an object field of the root.</summary>
    private static bool TryEnterField(ref Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals(name);
            reader.Read();
            if (found)
            {
                return reader.TokenType == JsonTokenType.StartObject;
            }

            reader.Skip();
        }

        return false;
    }

    private static string? NextString(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
        {
            return reader.GetString();
        }

        reader.Skip();
        return null;
    }

    private static byte[] SpliceMetadata(ReadOnlySpan<byte> utf8, ReadOnlySpan<byte> digits)
    {
        // No metadata object at all: only hand-made bytes come here, so the tree's cost does not matter.
        var document = ApiDocument.Parse(utf8);
        document.Metadata.ResourceVersion = Encoding.ASCII.GetString(digits);
        return document.ToUtf8();
    }

    private static byte FirstSolid(ReadOnlySpan<byte> utf8)
    {
        foreach (var b in utf8)
        {
            if (b is not ((byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n'))
            {
                return b;
            }
        }

        return 0;
    }

    private static int Copy(ReadOnlySpan<byte> source, byte[] target, int at)
    {
        source.CopyTo(target.AsSpan(at));
        return at + source.Length;
    }
}
