using System.Text;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>Reads JSON bytes into nodes.</summary>
internal static class DocumentReader
{
    /// <summary>Reads the one value that <paramref name="utf8"/> holds.</summary>
    /// <param name="utf8">JSON; a byte order mark is skipped.</param>
    /// <param name="duplicateFields">Takes the path of each field given twice in one object (the last value counts).</param>
    /// <exception cref="ApiDocumentException">The bytes are no JSON, or there is more behind the value.</exception>
    public static ApiNode Read(ReadOnlySpan<byte> utf8, ICollection<string>? duplicateFields)
    {
        if (utf8.StartsWith("\uFEFF"u8))
        {
            utf8 = utf8[3..];
        }

        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = JsonDepth.Read });
        try
        {
            if (!reader.Read())
            {
                throw new ApiDocumentException("unexpected end of JSON input");
            }

            var path = duplicateFields is null ? null : new List<string>();
            var node = ReadValue(ref reader, path, duplicateFields);
            if (reader.Read())
            {
                throw new ApiDocumentException($"invalid data after top-level value at byte {reader.TokenStartIndex}");
            }

            return node;
        }
        catch (JsonException e)
        {
            throw new ApiDocumentException(Describe(e), e);
        }
        catch (InvalidOperationException e)
        {
            // Utf8JsonReader reports invalid UTF-8 inside a string only when the string is asked for.
            throw new ApiDocumentException($"invalid UTF-8 in string near byte {reader.TokenStartIndex}", e);
        }
    }

    private static string Describe(JsonException e)
    {
        var message = e.Message;
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        message = end > 0 ? message[..end].TrimEnd('.', ' ') : message;
        return $"invalid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine}: {message}";
    }

    private static ApiNode ReadValue(ref Utf8JsonReader reader, List<string>? path, ICollection<string>? duplicates)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                return ReadObject(ref reader, path, duplicates);
            case JsonTokenType.StartArray:
                var array = new ApiArray();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    path?.Add($"[{array.Count}]");
                    array.Add(ReadValue(ref reader, path, duplicates));
                    path?.RemoveAt(path.Count - 1);
                }

                return array;
            case JsonTokenType.String:
                return ApiScalar.String(NameTable.IsShort(ref reader) ? NameTable.Get(reader.ValueSpan) : reader.GetString()!);
            case JsonTokenType.Number:
                return ApiScalar.NumberText(reader.ValueSpan.Length <= 2 ? NameTable.Get(reader.ValueSpan) : Encoding.ASCII.GetString(reader.ValueSpan));
            case JsonTokenType.True:
                return ApiScalar.True;
            case JsonTokenType.False:
                return ApiScalar.False;
            default:
                return ApiScalar.Null;
        }
    }

    private static ApiObject ReadObject(ref Utf8JsonReader reader, List<string>? path, ICollection<string>? duplicates)
    {
        var result = new ApiObject();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = NameTable.IsShort(ref reader) ? NameTable.Get(reader.ValueSpan) : reader.GetString()!;
            reader.Read();
            path?.Add(path.Count == 0 ? name : "." + name);
            var value = ReadValue(ref reader, path, duplicates);
            if (result.ContainsKey(name))
            {
                duplicates?.Add(string.Concat(path!));
                result.Set(name, value);
            }
            else
            {
                result.Append(name, value);
            }

            path?.RemoveAt(path.Count - 1);
        }

        return result;
    }
}
