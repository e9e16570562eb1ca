using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Makes cached objects from stored ones: one scan finds the labels and the selectable fields and splices the resourceVersion in.
/// The only place where the read path looks into an object.
/// </summary>
public sealed class ObjectIndexer
{
    private const int InternedMax = 8192;
    private static ReadOnlySpan<byte> VersionProperty => "\"resourceVersion\":\""u8;

    private readonly byte[][][] _paths;
    private readonly string[] _defaults;
    private readonly HashSet<string> _interned = new(StringComparer.Ordinal);
    private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> _internedBySpan;

    /// <param name="fieldPaths">Selectable fields beside metadata.name and metadata.namespace, for example <c>spec.nodeName</c>; at most 64.</param>
    public ObjectIndexer(IReadOnlyList<string> fieldPaths)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(fieldPaths.Count, 64);
        FieldPaths = fieldPaths;
        _paths = [.. fieldPaths.Select(path => JsonPath(path).Split('.').Select(Encoding.UTF8.GetBytes).ToArray())];
        _defaults = [.. fieldPaths.Select(AbsentValue)];
        _internedBySpan = _interned.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Order of <see cref="CacheEntry.Fields"/>.</summary>
    public IReadOnlyList<string> FieldPaths { get; }

    /// <summary>Index of a selectable field; -1 when the resource has no such field.</summary>
    public int IndexOfField(string path)
    {
        for (var i = 0; i < FieldPaths.Count; i++)
        {
            if (FieldPaths[i] == path)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Reads a stored value. Not thread-safe: strings that repeat are shared between objects.</summary>
    /// <exception cref="JsonException">The value is no object of the API.</exception>
    public CacheEntry Read(string key, string? @namespace, string name, ReadOnlySpan<byte> value, Revision revision)
    {
        var scan = new Scan { Fields = (string[])_defaults.Clone() };
        var reader = new Utf8JsonReader(value, new JsonReaderOptions { MaxDepth = JsonDepth.Read });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException($"Value of {key} is not a JSON object");
        }

        var allPaths = _paths.Length == 64 ? ulong.MaxValue : (1UL << _paths.Length) - 1;
        ReadObject(ref reader, ref scan, 0, allPaths);
        if (scan.MetadataLength == 0)
        {
            throw new JsonException($"Value of {key} has no metadata");
        }

        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(revision.Value, digits, out var digitCount);
        var at = scan.MetadataStart + 1;
        var versionStart = at + VersionProperty.Length;
        var inserted = VersionProperty.Length + digitCount + (scan.MetadataIsEmpty ? 1 : 2);
        var utf8 = new byte[value.Length + inserted];
        value[..at].CopyTo(utf8);
        VersionProperty.CopyTo(utf8.AsSpan(at));
        digits[..digitCount].CopyTo(utf8.AsSpan(versionStart));
        (scan.MetadataIsEmpty ? "\""u8 : "\","u8).CopyTo(utf8.AsSpan(versionStart + digitCount));
        value[at..].CopyTo(utf8.AsSpan(at + inserted));
        return new CacheEntry(
            key, @namespace, name, revision, utf8, versionStart, digitCount, scan.MetadataStart, scan.MetadataLength + inserted,
            scan.Labels is null ? LabelPairs.None : new LabelPairs([.. scan.Labels]), scan.Fields);
    }

    /// <summary>Selectable names that differ from the place of the value.</summary>
    private static string JsonPath(string path) => path switch
    {
        "source" => "source.component",
        "status.successful" => "status.succeeded",
        _ => path,
    };

    /// <summary>What a selector sees when the field is absent: the zero of its type, as Kubernetes prints it.</summary>
    private static string AbsentValue(string path) => path switch
    {
        "spec.unschedulable" or "spec.hostNetwork" => "false",
        "status.replicas" or "status.successful" => "0",
        _ => "",
    };

    private void ReadObject(ref Utf8JsonReader reader, ref Scan scan, int depth, ulong candidates)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (depth == 0 && scan.MetadataLength != 0 && candidates == 0)
            {
                return;
            }

            var isMetadata = depth == 0 && reader.ValueTextEquals("metadata"u8);
            var isLabels = depth == 1 && scan.InMetadata && reader.ValueTextEquals("labels"u8);
            var below = 0UL;
            for (var i = 0; i < _paths.Length; i++)
            {
                if ((candidates & (1UL << i)) != 0 && depth < _paths[i].Length && reader.ValueTextEquals(_paths[i][depth]))
                {
                    below |= 1UL << i;
                }
            }

            reader.Read();
            if (isMetadata && reader.TokenType == JsonTokenType.StartObject)
            {
                scan.MetadataStart = (int)reader.TokenStartIndex;
                scan.InMetadata = true;
                scan.MetadataIsEmpty = true;
                ReadObject(ref reader, ref scan, 1, below);
                scan.InMetadata = false;
                scan.MetadataLength = (int)reader.BytesConsumed - scan.MetadataStart;
                continue;
            }

            scan.MetadataIsEmpty &= !scan.InMetadata;
            if (isLabels && reader.TokenType == JsonTokenType.StartObject)
            {
                ReadLabels(ref reader, ref scan);
            }
            else if (below != 0 && reader.TokenType == JsonTokenType.StartObject)
            {
                ReadObject(ref reader, ref scan, depth + 1, below);
            }
            else if (below != 0)
            {
                SetField(ref reader, ref scan, depth, below);
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private void ReadLabels(ref Utf8JsonReader reader, ref Scan scan)
    {
        scan.Labels = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = Intern(ref reader);
            reader.Read();
            if (reader.TokenType == JsonTokenType.String)
            {
                scan.Labels.Add(key);
                scan.Labels.Add(Intern(ref reader));
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private void SetField(ref Utf8JsonReader reader, ref Scan scan, int depth, ulong matching)
    {
        var value = reader.TokenType switch
        {
            JsonTokenType.String => Intern(ref reader),
            JsonTokenType.True => "true",
            JsonTokenType.False => "false",
            JsonTokenType.Number => Encoding.ASCII.GetString(reader.ValueSpan),
            _ => null,
        };
        reader.Skip();
        for (var i = 0; value is not null && i < _paths.Length; i++)
        {
            if ((matching & (1UL << i)) != 0 && _paths[i].Length == depth + 1)
            {
                scan.Fields[i] = value;
            }
        }
    }

    /// <summary>The current string, shared with earlier objects: labels, nodes and phases are few.</summary>
    private string Intern(ref Utf8JsonReader reader)
    {
        if (reader.ValueSpan.Length > 256)
        {
            return reader.GetString()!;
        }

        Span<char> buffer = stackalloc char[256];
        var chars = buffer[..reader.CopyString(buffer)];
        if (_internedBySpan.TryGetValue(chars, out var known))
        {
            return known;
        }

        if (_interned.Count >= InternedMax)
        {
            _interned.Clear();
        }

        var text = chars.ToString();
        _interned.Add(text);
        return text;
    }

    private struct Scan
    {
        public int MetadataStart;
        public int MetadataLength;
        public bool MetadataIsEmpty;
        public bool InMetadata;
        public List<string>? Labels;
        public string[] Fields;
    }
}
