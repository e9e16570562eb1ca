using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Tables;
using Trireme.ApiServer.Cacher;

namespace Trireme.ApiServer.Registry;

/// <summary>A resource that is served in one version: what it is, where its objects are, and what its kind does beyond its schema.</summary>
internal sealed class RegisteredResource(WatchCache cache, ResourceStrategy strategy, ResourceDefinition definition, IVersionConverter? converter)
{
    public WatchCache Cache { get; } = cache;

    public CachedResource Stored => Cache.Resource;

    /// <summary>May be newer than that of the cache: the schema of a custom resource can change.</summary>
    public ResourceDefinition Definition { get; } = definition;

    public ResourceStrategy Strategy { get; } = strategy;

    /// <summary>Null when objects are stored as they are served.</summary>
    public IVersionConverter? Converter { get; } = converter;

    public TableWriter Tables { get; } = new(definition);

    /// <summary>The bytes to store.</summary>
    public byte[] ToStored(ApiDocument obj)
    {
        if (Converter is null)
        {
            return obj.ToStoredUtf8();
        }

        var stored = obj.Clone();
        Converter.ToStored(stored);
        obj.Metadata.ResourceVersion = null;
        return stored.ToStoredUtf8();
    }

    /// <summary>The object in stored bytes, in the served version.</summary>
    public ApiDocument FromStored(ReadOnlySpan<byte> utf8)
    {
        var obj = ApiDocument.Parse(utf8);
        Converter?.FromStored(obj);
        return obj;
    }

    public override string ToString() => Definition.ToString();
}
