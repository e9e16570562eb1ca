using Trireme.Api.Schema;
using Trireme.Api.Tables;
using Trireme.ApiServer.Cacher;

namespace Trireme.ApiServer.Registry;

/// <summary>A resource that is served: what it is, where its objects are, and what its kind does beyond its schema.</summary>
internal sealed class RegisteredResource(WatchCache cache, ResourceStrategy strategy, TableWriter tables)
{
    public WatchCache Cache { get; } = cache;

    public CachedResource Stored => Cache.Resource;

    public ResourceDefinition Definition => Cache.Resource.Definition;

    public ResourceStrategy Strategy { get; } = strategy;

    public TableWriter Tables { get; } = tables;

    public override string ToString() => Definition.ToString();
}
