using System.Buffers;
using System.Text;
using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Tables;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>Writes cached objects in the shape that a client asked for. One per answer; not thread-safe.</summary>
internal sealed class ShapeWriter : IDisposable
{
    private static ReadOnlySpan<byte> PartialHead => "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":"u8;

    private readonly ResponseShape _shape;
    private readonly CachedResource _resource;
    private readonly TableWriter? _tables;
    private readonly IncludeObject _include;
    private readonly TimeProvider _time;
    private readonly ArrayBufferWriter<byte>? _buffer;
    private readonly Utf8JsonWriter? _json;
    private bool _columnsSent;

    /// <param name="shape">Shape of each object.</param>
    /// <param name="resource">Names the kind.</param>
    /// <param name="tables">Needed for tables.</param>
    /// <param name="includeObject">What a row carries of its object: None, Metadata or Object; empty for the default.</param>
    /// <param name="time">Ages in tables are counted to the moment in which a row is written: a watch lasts.</param>
    public ShapeWriter(ResponseShape shape, CachedResource resource, TableWriter? tables, string includeObject, TimeProvider time)
    {
        _shape = shape;
        _resource = resource;
        _tables = tables;
        _include = includeObject switch
        {
            "None" => IncludeObject.None,
            "Object" => IncludeObject.Object,
            _ => IncludeObject.Metadata,
        };
        _time = time;
        if (shape == ResponseShape.Table)
        {
            _buffer = new ArrayBufferWriter<byte>(4096);
            _json = new Utf8JsonWriter(_buffer, DocumentWriter.Options);
        }
    }

    /// <summary>Everything of a list before its first item.</summary>
    public byte[] ListHead(Revision revision, string? continueToken, long? remaining)
    {
        var (kind, version) = _shape switch
        {
            ResponseShape.Table => ("Table", "meta.k8s.io/v1"),
            ResponseShape.PartialObjectMetadata => ("PartialObjectMetadataList", "meta.k8s.io/v1"),
            _ => (_resource.Definition.ListKind, _resource.Definition.ApiVersion),
        };
        var head = new StringBuilder();
        head.Append("{\"kind\":\"").Append(kind).Append("\",\"apiVersion\":\"").Append(version)
            .Append("\",\"metadata\":{\"resourceVersion\":\"").Append(revision.Value).Append('"');
        if (continueToken is not null)
        {
            head.Append(",\"continue\":\"").Append(continueToken).Append('"');
        }

        if (remaining is > 0)
        {
            head.Append(",\"remainingItemCount\":").Append(remaining.Value);
        }

        head.Append("},");
        if (_shape != ResponseShape.Table)
        {
            return Encoding.UTF8.GetBytes(head.Append("\"items\":[").ToString());
        }

        _buffer!.ResetWrittenCount();
        _buffer.Write(Encoding.UTF8.GetBytes(head.ToString()));
        WriteColumns();
        _buffer.Write(",\"rows\":["u8);
        return _buffer.WrittenSpan.ToArray();
    }

    public void Dispose() => _json?.Dispose();

    public static ReadOnlySpan<byte> ListTail => "]}\n"u8;

    /// <summary>Size of what <see cref="WriteItem"/> writes; null when only writing can tell.</summary>
    public long? LengthOf(CacheEntry entry) => _shape switch
    {
        ResponseShape.Object => entry.Utf8.Length,
        ResponseShape.PartialObjectMetadata => PartialHead.Length + entry.Metadata.Length + 1,
        _ => null,
    };

    /// <summary>Writes an object as an item of a list: a row, if the list is a table.</summary>
    public void WriteItem(ResponseBody body, CacheEntry entry)
    {
        switch (_shape)
        {
            case ResponseShape.Object:
                body.Write(entry.Utf8);
                break;
            case ResponseShape.PartialObjectMetadata:
                WritePartial(body, entry);
                break;
            default:
                WriteRow(body, entry);
                break;
        }
    }

    /// <summary>Writes an object by itself: a table of one row, if tables are asked for.</summary>
    public void WriteSingle(ResponseBody body, CacheEntry entry)
    {
        if (_shape != ResponseShape.Table)
        {
            WriteItem(body, entry);
            return;
        }

        WriteTableHead(body, entry.Revision);
        WriteRow(body, entry);
        body.Write("]}"u8);
    }

    /// <summary>Writes the object of a bookmark.</summary>
    public void WriteBookmark(ResponseBody body, Revision revision, bool initialEventsEnd)
    {
        var annotations = initialEventsEnd ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "";
        var (kind, version) = _shape == ResponseShape.Object ? (_resource.Definition.Kind, _resource.Definition.ApiVersion) : ("PartialObjectMetadata", "meta.k8s.io/v1");
        var obj = $"{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\",\"metadata\":{{\"resourceVersion\":\"{revision.Value}\",\"creationTimestamp\":null{annotations}}}}}";
        if (_shape != ResponseShape.Table)
        {
            body.Write(Encoding.UTF8.GetBytes(obj));
            return;
        }

        WriteTableHead(body, revision);
        body.Write(Encoding.UTF8.GetBytes($"{{\"cells\":[],\"object\":{obj}}}]}}"));
    }

    private static void WritePartial(ResponseBody body, CacheEntry entry)
    {
        body.Write(PartialHead);
        body.Write(entry.Metadata);
        body.Write("}"u8);
    }

    private void WriteTableHead(ResponseBody body, Revision revision)
    {
        body.Write(Encoding.UTF8.GetBytes(
            $"{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{{\"resourceVersion\":\"{revision.Value}\"}},"));
        _buffer!.ResetWrittenCount();
        WriteColumns();
        body.Write(_buffer.WrittenSpan);
        body.Write(",\"rows\":["u8);
    }

    /// <summary>Within a watch the columns come with the first table only.</summary>
    private void WriteColumns()
    {
        _json!.Reset(_buffer!);
        _tables!.WriteColumns(_json, !_columnsSent);
        _json.Flush();
        _columnsSent = true;
    }

    private void WriteRow(ResponseBody body, CacheEntry entry)
    {
        _buffer!.ResetWrittenCount();
        _json!.Reset(_buffer);
        _tables!.WriteRow(_json, entry.Utf8, _time.GetUtcNow(), _include);
        _json.Flush();
        body.Write(_buffer.WrittenSpan);
    }
}
