using System.Buffers;
using System.Text;
using System.Text.Json;
using Trireme.Api.Models;

namespace Trireme.ApiServer.Protobuf;

/// <summary>
/// Turns objects in Kubernetes' protobuf encoding into the JSON that the same Go type would be written as. Clients of Go send it (<c>kubectl create</c>
/// does); answers are always JSON, which all of them read.
/// </summary>
/// <remarks>The encoding is four magic bytes and a <c>runtime.Unknown</c>: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding</remarks>
internal static class ProtobufDecoder
{
    public const string MediaType = "application/vnd.kubernetes.protobuf";

    private const int MaxDepth = 100;
    private const string JsonSchemaProps = "apiextensions.v1.JSONSchemaProps";

    private static ReadOnlySpan<byte> Magic => "k8s\0"u8;

    /// <summary>Decodes a whole object.</summary>
    /// <exception cref="FormatException">The bytes are no such object, or of a kind that is not built in.</exception>
    public static byte[] ToJson(ReadOnlySpan<byte> encoded)
    {
        var buffer = new ArrayBufferWriter<byte>(256 + (encoded.Length * 2));
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            WriteEnvelope(json, encoded, 0);
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteEnvelope(Utf8JsonWriter json, ReadOnlySpan<byte> encoded, int depth)
    {
        if (!encoded.StartsWith(Magic))
        {
            throw new FormatException("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
        }

        ReadOnlySpan<byte> meta = default;
        ReadOnlySpan<byte> raw = default;
        var envelope = new WireReader(encoded[Magic.Length..]);
        while (envelope.Read())
        {
            if (envelope.Number == 1)
            {
                meta = envelope.Bytes;
            }
            else if (envelope.Number == 2)
            {
                raw = envelope.Bytes;
            }
        }

        var (apiVersion, kind) = ReadStrings(meta);
        var type = ProtobufTypes.Find(apiVersion, kind) ?? throw new FormatException($"no kind \"{kind}\" is registered for version \"{apiVersion}\"");
        json.WriteStartObject();
        json.WriteString("kind"u8, kind);
        json.WriteString("apiVersion"u8, apiVersion);
        WriteFields(json, type, raw, depth);
        json.WriteEndObject();
    }

    private static void WriteMessage(Utf8JsonWriter json, ProtobufType type, ReadOnlySpan<byte> message, int depth)
    {
        if (depth > MaxDepth)
        {
            throw new FormatException("Protobuf message is nested too deeply");
        }

        json.WriteStartObject();
        WriteFields(json, type, message, depth);
        json.WriteEndObject();
    }

    private static void WriteFields(Utf8JsonWriter json, ProtobufType type, ReadOnlySpan<byte> message, int depth)
    {
        foreach (var field in type.Fields)
        {
            WriteField(json, field, message, depth);
        }

        foreach (var (number, embedded) in type.Embedded)
        {
            var reader = new WireReader(message);
            while (reader.Read())
            {
                if (reader.Number == number)
                {
                    WriteFields(json, embedded, reader.Bytes, depth + 1);
                }
            }
        }
    }

    /// <summary>Lists and maps are fields that come again and again; of others the last one counts.</summary>
    private static void WriteField(Utf8JsonWriter json, ProtobufField field, ReadOnlySpan<byte> message, int depth)
    {
        var isList = field.Type.StartsWith("[]", StringComparison.Ordinal);
        var isMap = field.Type.StartsWith("map:", StringComparison.Ordinal);
        var found = false;
        var last = default(WireReader);
        var reader = new WireReader(message);
        while (reader.Read())
        {
            if (reader.Number != field.Number)
            {
                continue;
            }

            if (!found && (isList || isMap))
            {
                json.WritePropertyName(field.Name);
                if (isList)
                {
                    json.WriteStartArray();
                }
                else
                {
                    json.WriteStartObject();
                }
            }

            found = true;
            if (isList)
            {
                WriteItem(json, field.Type[2..], reader, depth);
            }
            else if (isMap)
            {
                WriteEntry(json, field, reader.Bytes, depth);
            }
            else
            {
                last = reader;
            }
        }

        if (isList || isMap)
        {
            End(json, found, isList);
        }
        else if (found && (field.IsPointer || !field.OmitEmpty || !IsZero(field.Type, last)))
        {
            json.WritePropertyName(field.Name);
            WriteValue(json, field.Type, last, depth);
        }
    }

    private static void End(Utf8JsonWriter json, bool begun, bool isList)
    {
        if (!begun)
        {
            return;
        }

        if (isList)
        {
            json.WriteEndArray();
        }
        else
        {
            json.WriteEndObject();
        }
    }

    private static void WriteItem(Utf8JsonWriter json, string type, WireReader item, int depth)
    {
        if (item.HasBytes && type is ("int32" or "int64"))
        {
            // Packed: all numbers in one field.
            var packed = new WireReader(item.Bytes);
            while (packed.TryReadVarint(out var value))
            {
                json.WriteNumberValue((long)value);
            }

            return;
        }

        WriteValue(json, type, item, depth);
    }

    private static void WriteEntry(Utf8JsonWriter json, ProtobufField field, ReadOnlySpan<byte> entry, int depth)
    {
        var key = "";
        var value = default(WireReader);
        var reader = new WireReader(entry);
        while (reader.Read())
        {
            if (reader.Number == 1)
            {
                key = Encoding.UTF8.GetString(reader.Bytes);
            }
            else
            {
                value = reader;
            }
        }

        json.WritePropertyName(key);
        if (field.IsWrapped)
        {
            WriteStrings(json, value.Bytes, 1);
        }
        else
        {
            WriteValue(json, field.Type["map:".Length..], value, depth);
        }
    }

    private static bool IsZero(string type, WireReader value) => type switch
    {
        "boolean" or "int32" or "int64" or "double" => value.Value == 0,
        "string" or "bytes" or "time" or "microtime" or "any" => value.Bytes.IsEmpty,
        _ => false,
    };

    private static void WriteValue(Utf8JsonWriter json, string type, WireReader value, int depth)
    {
        switch (type)
        {
            case "string":
                json.WriteStringValue(value.Bytes);
                break;
            case "boolean":
                json.WriteBooleanValue(value.Value != 0);
                break;
            case "int32":
                json.WriteNumberValue((int)(long)value.Value);
                break;
            case "int64":
                json.WriteNumberValue((long)value.Value);
                break;
            case "double":
                json.WriteNumberValue(BitConverter.UInt64BitsToDouble(value.Value));
                break;
            case "bytes":
                json.WriteBase64StringValue(value.Bytes);
                break;
            case "quantity":
                json.WriteStringValue(ReadStrings(value.Bytes).First is { Length: > 0 } quantity ? quantity : "0");
                break;
            case "time" or "microtime":
                WriteTime(json, value.Bytes, type == "microtime");
                break;
            case "int-or-string":
                WriteIntOrString(json, value.Bytes);
                break;
            case "any":
                WriteAny(json, value.Bytes, depth);
                break;
            case "JSONSchemaPropsOrArray" or "JSONSchemaPropsOrBool" or "JSONSchemaPropsOrStringArray":
                WriteSchemaOr(json, type, value.Bytes, depth);
                break;
            default:
                var message = ProtobufTypes.Find(type) ?? throw new FormatException($"Type {type} is not known");
                WriteMessage(json, message, value.Bytes, depth + 1);
                break;
        }
    }

    private static void WriteTime(Utf8JsonWriter json, ReadOnlySpan<byte> message, bool isMicro)
    {
        long seconds = 0, nanoseconds = 0;
        var reader = new WireReader(message);
        while (reader.Read())
        {
            if (reader.Number == 1)
            {
                seconds = (long)reader.Value;
            }
            else if (reader.Number == 2)
            {
                nanoseconds = (long)reader.Value;
            }
        }

        if (message.IsEmpty || seconds is < -62135596800 or > 253402300799)
        {
            json.WriteNullValue();
            return;
        }

        var time = DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(nanoseconds / 100);
        json.WriteStringValue(isMicro ? KubernetesTime.FormatMicro(time) : KubernetesTime.Format(time));
    }

    private static void WriteIntOrString(Utf8JsonWriter json, ReadOnlySpan<byte> message)
    {
        var (isString, number, text) = (false, 0, "");
        var reader = new WireReader(message);
        while (reader.Read())
        {
            switch (reader.Number)
            {
                case 1:
                    isString = reader.Value == 1;
                    break;
                case 2:
                    number = (int)(long)reader.Value;
                    break;
                case 3:
                    text = Encoding.UTF8.GetString(reader.Bytes);
                    break;
            }
        }

        if (isString)
        {
            json.WriteStringValue(text);
        }
        else
        {
            json.WriteNumberValue(number);
        }
    }

    /// <summary>RawExtension, FieldsV1 and JSON: a message around JSON, or around another encoded object.</summary>
    private static void WriteAny(Utf8JsonWriter json, ReadOnlySpan<byte> message, int depth)
    {
        ReadOnlySpan<byte> raw = default;
        var reader = new WireReader(message);
        while (reader.Read())
        {
            if (reader.Number == 1)
            {
                raw = reader.Bytes;
            }
        }

        if (raw.StartsWith(Magic))
        {
            WriteEnvelope(json, raw, depth + 1);
        }
        else if (raw.IsEmpty)
        {
            json.WriteNullValue();
        }
        else
        {
            json.WriteRawValue(raw);
        }
    }

    /// <summary>The three types of a CRD's schema that are a schema or something simpler.</summary>
    private static void WriteSchemaOr(Utf8JsonWriter json, string type, ReadOnlySpan<byte> message, int depth)
    {
        ReadOnlySpan<byte> schema = default;
        var (hasSchema, allows) = (false, false);
        var schemaNumber = type == "JSONSchemaPropsOrBool" ? 2 : 1;
        var reader = new WireReader(message);
        while (reader.Read())
        {
            if (reader.Number == schemaNumber && reader.HasBytes)
            {
                schema = reader.Bytes;
                hasSchema = true;
            }
            else if (reader.Number == 1)
            {
                allows = reader.Value != 0;
            }
        }

        if (hasSchema)
        {
            WriteMessage(json, ProtobufTypes.Find(JsonSchemaProps)!, schema, depth + 1);
        }
        else if (type == "JSONSchemaPropsOrBool")
        {
            json.WriteBooleanValue(allows);
        }
        else if (type == "JSONSchemaPropsOrStringArray")
        {
            WriteStrings(json, message, 2);
        }
        else
        {
            json.WriteStartArray();
            var items = new WireReader(message);
            while (items.Read())
            {
                if (items.Number == 2)
                {
                    WriteMessage(json, ProtobufTypes.Find(JsonSchemaProps)!, items.Bytes, depth + 1);
                }
            }

            json.WriteEndArray();
        }
    }

    private static void WriteStrings(Utf8JsonWriter json, ReadOnlySpan<byte> message, int number)
    {
        json.WriteStartArray();
        var reader = new WireReader(message);
        while (reader.Read())
        {
            if (reader.Number == number)
            {
                json.WriteStringValue(reader.Bytes);
            }
        }

        json.WriteEndArray();
    }

    private static (string First, string Second) ReadStrings(ReadOnlySpan<byte> message)
    {
        var (first, second) = ("", "");
        var reader = new WireReader(message);
        while (reader.Read())
        {
            if (reader.Number == 1)
            {
                first = Encoding.UTF8.GetString(reader.Bytes);
            }
            else if (reader.Number == 2)
            {
                second = Encoding.UTF8.GetString(reader.Bytes);
            }
        }

        return (first, second);
    }
}
