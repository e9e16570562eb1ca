using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using Trireme.Api.Models;

namespace Trireme.Controllers.Runtime;

/// <summary>Values compared and hashed by what they say, whatever the order of their fields and map keys.</summary>
internal static class CanonicalJson
{
    /// <summary>The value as JSON with sorted keys.</summary>
    public static byte[] Of<T>(T value)
        where T : IModel<T>
    {
        using var document = JsonDocument.Parse(ModelJson.ToUtf8(value));
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            Write(writer, document.RootElement);
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A stable hash: the same in every process and release.</summary>
    public static uint Hash(ReadOnlySpan<byte> canonical, int? collisionCount)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(canonical);
        if (collisionCount is { } count)
        {
            Span<byte> salt = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(salt, count);
            hash.AppendData(salt);
        }

        return BinaryPrimitives.ReadUInt32LittleEndian(hash.GetHashAndReset());
    }

    private static void Write(Utf8JsonWriter writer, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var property in element.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(property.Name);
                    Write(writer, property.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                {
                    Write(writer, item);
                }

                writer.WriteEndArray();
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }
}
