using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.Api.Schema;

namespace Trireme.Api.Protobuf;

/// <summary>Reads objects in Kubernetes' Protobuf encoding, which kubectl and client-go send for built-in kinds.</summary>
/// <remarks>
/// A body is the four bytes <c>k8s\0</c> and a message <c>runtime.Unknown</c> that holds kind, apiVersion and the object's own message. Answers need no
/// Protobuf: every client that sends it accepts JSON. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
/// </remarks>
public static class ProtobufDocuments
{
    /// <summary>Media type of the encoding.</summary>
    public const string MediaType = "application/vnd.kubernetes.protobuf";

    private static ReadOnlySpan<byte> Magic => "k8s\0"u8;

    /// <summary>Reads one object.</summary>
    /// <exception cref="ApiDocumentException">The bytes are no such encoding, or of a kind that has none.</exception>
    public static ApiDocument Parse(ReadOnlySpan<byte> body)
    {
        if (!body.StartsWith(Magic))
        {
            throw new ApiDocumentException("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
        }

        var (apiVersion, kind, raw) = ReadEnvelope(body[Magic.Length..]);
        var layout = Locate(apiVersion, kind)
            ?? throw new ApiDocumentException($"no kind \"{kind}\" is registered for version \"{apiVersion}\" in protobuf");
        var root = new ApiObject();
        root.Set("kind", kind);
        root.Set("apiVersion", apiVersion);
        ReadMessage(raw, layout, root);
        return new ApiDocument(root);
    }

    private static MessageLayout? Locate(string apiVersion, string kind)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        var (group, version) = slash < 0 ? ("", apiVersion) : (apiVersion[..slash], apiVersion[(slash + 1)..]);
        foreach (var entry in SchemaCatalog.Facts.RootElement.GetProperty("groupOf").EnumerateObject())
        {
            if (entry.Value.ValueEquals(group) && MessageLayout.Of($"{entry.Name}.{version}.{kind}") is { } layout)
            {
                return layout;
            }
        }

        // Options of requests belong to every group.
        return MessageLayout.Of($"meta.v1.{kind}");
    }

    private static (string ApiVersion, string Kind, ReadOnlyMemory<byte> Raw) ReadEnvelope(ReadOnlySpan<byte> envelope)
    {
        string apiVersion = "", kind = "";
        ReadOnlyMemory<byte> raw = default;
        var reader = new WireReader(envelope);
        while (reader.Next())
        {
            switch (reader.Number)
            {
                case 1:
                    var type = new WireReader(reader.Bytes());
                    while (type.Next())
                    {
                        switch (type.Number)
                        {
                            case 1: apiVersion = Encoding.UTF8.GetString(type.Bytes()); break;
                            case 2: kind = Encoding.UTF8.GetString(type.Bytes()); break;
                            default: type.Skip(); break;
                        }
                    }

                    break;
                case 2: raw = reader.Bytes().ToArray(); break;
                default: reader.Skip(); break;
            }
        }

        return (apiVersion, kind, raw);
    }

    private static void ReadMessage(ReadOnlyMemory<byte> message, MessageLayout layout, ApiObject target) => ReadMessage(message.Span, layout, target);

    private static void ReadMessage(ReadOnlySpan<byte> message, MessageLayout layout, ApiObject target)
    {
        var reader = new WireReader(message);
        while (reader.Next())
        {
            if (layout.TryGetInline(reader.Number, out var inline))
            {
                ReadMessage(reader.Bytes(), inline, target);
            }
            else if (layout.TryGetField(reader.Number, out var field))
            {
                ReadField(ref reader, field, target);
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private static void ReadField(ref WireReader reader, MessageField field, ApiObject target)
    {
        if (field.Type.StartsWith("[]", StringComparison.Ordinal))
        {
            ReadListItem(ref reader, field.Type[2..], field.Wrapped, target.GetOrAddArray(field.Json));
            return;
        }

        if (field.Type.StartsWith("map:", StringComparison.Ordinal))
        {
            ReadMapEntry(reader.Bytes(), field, target.GetOrAddObject(field.Json));
            return;
        }

        var value = ReadValue(ref reader, field.Type);
        if (value is not null && !(field.OmitWhenZero && IsZero(value)))
        {
            target.Set(field.Json, value);
        }
    }

    private static void ReadListItem(ref WireReader reader, string type, bool wrapped, ApiArray list)
    {
        if (wrapped)
        {
            var inner = new WireReader(reader.Bytes());
            while (inner.Next())
            {
                ReadListItem(ref inner, type, wrapped: false, list);
            }

            return;
        }

        if (reader.IsLengthDelimited && type is "int32" or "int64" or "boolean")
        {
            // Packed numbers: one field with all of them.
            var packed = new WireReader(reader.Bytes());
            while (packed.HasMore)
            {
                list.Add(type == "boolean" ? packed.RawVarint() != 0 : (long)packed.RawVarint());
            }

            return;
        }

        if (ReadValue(ref reader, type) is { } value)
        {
            list.Add(value);
        }
    }

    private static void ReadMapEntry(ReadOnlySpan<byte> entry, MessageField field, ApiObject map)
    {
        var type = field.Type[4..];
        var key = "";
        ApiNode? value = type switch
        {
            "string" or "bytes" => ApiScalar.EmptyString,
            "[]string" => new ApiArray(),
            _ => null,
        };
        var reader = new WireReader(entry);
        while (reader.Next())
        {
            if (reader.Number == 1)
            {
                key = Encoding.UTF8.GetString(reader.Bytes());
            }
            else if (type == "[]string")
            {
                ReadListItem(ref reader, "string", wrapped: true, (ApiArray)value!);
            }
            else
            {
                value = ReadValue(ref reader, type);
            }
        }

        if (value is not null)
        {
            map.Set(key, value);
        }
    }

    /// <summary>A single value; null for what JSON leaves out (a time that was never set).</summary>
    private static ApiNode? ReadValue(ref WireReader reader, string type)
    {
        switch (type)
        {
            case "string":
                return Encoding.UTF8.GetString(reader.Bytes());
            case "boolean":
                return reader.Varint() != 0;
            case "int32" or "int64":
                return (long)reader.Varint();
            case "double":
                return ApiScalar.NumberText(reader.Double().ToString("R", CultureInfo.InvariantCulture));
            case "bytes":
                return Convert.ToBase64String(reader.Bytes());
            case "quantity":
                return Encoding.UTF8.GetString(Sole(reader.Bytes()));
            case "int-or-string":
                return ReadIntOrString(reader.Bytes());
            case "time" or "microtime":
                return ReadTime(reader.Bytes(), micro: type == "microtime");
            case "duration":
                return ReadDuration(reader.Bytes());
        }

        if (MessageLayout.Of(type) is { } layout)
        {
            var nested = new ApiObject();
            ReadMessage(reader.Bytes(), layout, nested);
            return nested;
        }

        // Free JSON travels as JSON in a message of one field.
        var raw = Sole(reader.Bytes());
        return raw.IsEmpty ? null : ApiNode.Parse(raw);
    }

    private static ReadOnlySpan<byte> Sole(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message);
        return reader.Next() ? reader.Bytes() : default;
    }

    private static ApiNode ReadIntOrString(ReadOnlySpan<byte> message)
    {
        long kind = 0, number = 0;
        var text = "";
        var reader = new WireReader(message);
        while (reader.Next())
        {
            switch (reader.Number)
            {
                case 1: kind = (long)reader.Varint(); break;
                case 2: number = (long)reader.Varint(); break;
                case 3: text = Encoding.UTF8.GetString(reader.Bytes()); break;
                default: reader.Skip(); break;
            }
        }

        return kind == 0 ? number : text;
    }

    private static ApiNode? ReadTime(ReadOnlySpan<byte> message, bool micro)
    {
        long seconds = 0, nanoseconds = 0;
        var set = false;
        var reader = new WireReader(message);
        while (reader.Next())
        {
            set = true;
            switch (reader.Number)
            {
                case 1: seconds = (long)reader.Varint(); break;
                case 2: nanoseconds = (long)reader.Varint(); break;
                default: reader.Skip(); break;
            }
        }

        // Go's zero time is long before the Unix epoch and means that there is none.
        if (!set || seconds < -62_135_596_800 + 1)
        {
            return null;
        }

        var time = DateTimeOffset.UnixEpoch.AddSeconds(seconds).AddTicks(nanoseconds / 100);
        return micro ? KubernetesTime.FormatMicro(time) : KubernetesTime.Format(time);
    }

    private static ApiNode ReadDuration(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message);
        var nanoseconds = reader.Next() ? (long)reader.Varint() : 0;
        return (nanoseconds / 1e9).ToString("0.#########", CultureInfo.InvariantCulture) + "s";
    }

    private static bool IsZero(ApiNode value) => value switch
    {
        ApiScalar { Kind: System.Text.Json.JsonValueKind.String, Text: "" } => true,
        ApiScalar { Kind: System.Text.Json.JsonValueKind.False } => true,
        ApiScalar { Kind: System.Text.Json.JsonValueKind.Number, Text: "0" } => true,
        _ => false,
    };

    /// <summary>Walks the fields of a message: https://protobuf.dev/programming-guides/encoding/.</summary>
    private ref struct WireReader(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;
        private int _position;
        private int _wireType;

        /// <summary>Number of the field on which the reader stands.</summary>
        public int Number { get; private set; }

        public readonly bool IsLengthDelimited => _wireType == 2;

        public readonly bool HasMore => _position < _bytes.Length;

        /// <summary>Moves to the next field; its value must then be read or skipped.</summary>
        public bool Next()
        {
            if (_position >= _bytes.Length)
            {
                return false;
            }

            var tag = RawVarint();
            Number = (int)(tag >> 3);
            _wireType = (int)(tag & 7);
            return true;
        }

        public ulong Varint() => _wireType == 0 ? RawVarint() : throw Malformed();

        public ReadOnlySpan<byte> Bytes() => _wireType == 2 ? Take(checked((int)RawVarint())) : throw Malformed();

        public double Double() => _wireType == 1 ? BinaryPrimitives.ReadDoubleLittleEndian(Take(8)) : throw Malformed();

        public void Skip()
        {
            switch (_wireType)
            {
                case 0: RawVarint(); break;
                case 1: Take(8); break;
                case 2: Bytes(); break;
                case 5: Take(4); break;
                default: throw Malformed();
            }
        }

        public ulong RawVarint()
        {
            ulong value = 0;
            for (var shift = 0; shift < 64; shift += 7)
            {
                var next = Take(1)[0];
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }

            throw Malformed();
        }

        private ReadOnlySpan<byte> Take(int count)
        {
            if (count < 0 || count > _bytes.Length - _position)
            {
                throw Malformed();
            }

            var slice = _bytes.Slice(_position, count);
            _position += count;
            return slice;
        }

        private static ApiDocumentException Malformed() => new("the protobuf message is malformed");
    }
}
