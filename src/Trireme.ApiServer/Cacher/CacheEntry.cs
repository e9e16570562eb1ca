using System.Buffers.Text;
using System.Text;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// One version of an object as it is sent to clients: finished UTF-8 JSON, with what selectors ask for beside it. Immutable.
/// </summary>
public sealed class CacheEntry
{
    private readonly int _versionStart;
    private readonly int _versionLength;
    private readonly int _metadataStart;
    private readonly int _metadataLength;

    internal CacheEntry(
        string key, string? @namespace, string name, Revision revision, byte[] utf8, int versionStart, int versionLength,
        int metadataStart, int metadataLength, LabelPairs labels, string[] fields)
    {
        Key = key;
        Namespace = @namespace;
        Name = name;
        Revision = revision;
        Utf8 = utf8;
        _versionStart = versionStart;
        _versionLength = versionLength;
        _metadataStart = metadataStart;
        _metadataLength = metadataLength;
        Labels = labels;
        Fields = fields;
    }

    /// <summary>Key in the store.</summary>
    public string Key { get; }

    /// <summary>Null for a cluster-scoped object.</summary>
    public string? Namespace { get; }

    public string Name { get; }

    /// <summary>Revision of the change that made this version: its resourceVersion.</summary>
    public Revision Revision { get; }

    /// <summary>The object's JSON including <c>metadata.resourceVersion</c>. Must not be changed.</summary>
    public byte[] Utf8 { get; }

    /// <summary>The value of <c>metadata</c> within <see cref="Utf8"/>.</summary>
    public ReadOnlySpan<byte> Metadata => Utf8.AsSpan(_metadataStart, _metadataLength);

    /// <summary>Labels, read once when the object entered the cache.</summary>
    public LabelPairs Labels { get; }

    /// <summary>Values of the resource's selectable fields, in the order of <see cref="ObjectIndexer.FieldPaths"/>.</summary>
    internal string[] Fields { get; }

    /// <summary>The same object under another resourceVersion, as the last thing a watch says of a deleted one.</summary>
    internal CacheEntry WithRevision(Revision revision)
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(revision.Value, digits, out var length);
        var grown = length - _versionLength;
        var utf8 = new byte[Utf8.Length + grown];
        Utf8.AsSpan(0, _versionStart).CopyTo(utf8);
        digits[..length].CopyTo(utf8.AsSpan(_versionStart));
        Utf8.AsSpan(_versionStart + _versionLength).CopyTo(utf8.AsSpan(_versionStart + length));
        return new CacheEntry(
            Key, Namespace, Name, revision, utf8, _versionStart, length, _metadataStart, _metadataLength + grown, Labels, Fields);
    }

    public override string ToString() => Encoding.UTF8.GetString(Utf8);
}
