using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Admission;

/// <summary>What admission asks about other objects: the cache answers, and the store where an absence matters and may be the cache's lag.</summary>
internal sealed class ResourceLookup(IResourceReader reader, IRevisionedStore store, string root)
{
    /// <summary>One object; null when it does not exist.</summary>
    /// <exception cref="StoreUnavailableException">It is not in the cache and the store does not answer.</exception>
    public async ValueTask<ApiDocument?> FindAsync(string group, string resource, string? @namespace, string name, CancellationToken cancellationToken)
    {
        if (reader.Get(group, resource, @namespace, name) is { } cached)
        {
            return ApiDocument.Parse(cached.Json.Span);
        }

        var (entry, _) = await store.GetAsync(Key(group, resource, @namespace, name), null, cancellationToken);
        return entry is null ? null : ApiDocument.Parse(entry.Value.Span);
    }

    /// <summary>The objects of a namespace, or all, as the cache has them.</summary>
    public IEnumerable<ApiDocument> List(string group, string resource, string? @namespace = null)
    {
        foreach (var cached in reader.List(group, resource, @namespace))
        {
            yield return ApiDocument.Parse(cached.Json.Span);
        }
    }

    /// <summary>Key of an object in the store.</summary>
    public string Key(string group, string resource, string? @namespace, string name)
    {
        var prefix = group.Length == 0 ? $"{root}{resource}/" : $"{root}{group}/{resource}/";
        return string.IsNullOrEmpty(@namespace) ? prefix + name : $"{prefix}{@namespace}/{name}";
    }
}
