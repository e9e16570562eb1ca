using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>Read access for the rest of the server.</summary>
public sealed partial class ResourceRegistry
{
    private volatile bool _wasSynced; // every cache, custom resources included, has been filled at one moment

    /// <inheritdoc/>
    public IReadOnlyList<string> UnsyncedResources
    {
        get
        {
            // A resource that is defined later is filled while the server serves: that is no reason to send everybody's clients away.
            List<string> unsynced =
            [
                .. _resources.Values.Where(r => !r.Cache.Filled.IsCompleted && !(_wasSynced && r.Definition.IsCustom))
                    .Select(r => r.Stored.Name).Order(StringComparer.Ordinal),
            ];
            _wasSynced |= unsynced.Count == 0;
            return unsynced;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<Api.Schema.ResourceDefinition> Definitions => _definitions;

    /// <inheritdoc/>
    public bool HasSynced(string group, string resource) => Resource(group, resource).Cache.Filled.IsCompleted;

    /// <inheritdoc/>
    public CachedObject? Get(string group, string resource, string? @namespace, string name) =>
        Resource(group, resource).Cache.Find(@namespace, name) is { } entry ? ToObject(entry) : null;

    /// <inheritdoc/>
    public IReadOnlyList<CachedObject> List(string group, string resource, string? @namespace = null)
    {
        var cache = Resource(group, resource).Cache;
        var objects = new List<CachedObject>();
        foreach (var entry in cache.Read().Snapshot.Range(cache.Resource.PrefixOf(@namespace)))
        {
            objects.Add(ToObject(entry));
        }

        return objects;
    }

    /// <inheritdoc/>
    public IDisposable Subscribe(string group, string resource, IResourceObserver observer)
    {
        var subscription = new Subscription(Resource(group, resource).Cache, observer);
        subscription.Begin();
        return subscription;
    }

    /// <inheritdoc/>
    public async ValueTask WaitUntilCurrentAsync(string group, string resource, CancellationToken cancellationToken)
    {
        var cache = Resource(group, resource).Cache;
        await cache.Filled.WaitAsync(cancellationToken);
        if (!await _consistentReads.ConfirmAsync(cancellationToken))
        {
            throw new StoreUnavailableException("The store did not say what is newest", mayHaveApplied: false);
        }
    }

    private static CachedObject ToObject(CacheEntry entry) => new(entry.Namespace ?? "", entry.Name, entry.Revision.Value, entry.Utf8);

    private RegisteredResource Resource(string group, string plural)
    {
        foreach (var (key, resource) in _resources)
        {
            if (key.Group == group && key.Plural == plural)
            {
                return resource;
            }
        }

        throw new ArgumentException($"No resource {plural} in group \"{group}\"", nameof(plural));
    }

    private sealed class Subscription(WatchCache cache, IResourceObserver observer) : ICacheObserver, IDisposable
    {
        public void Begin() => cache.Subscribe(this);

        public void OnSet(CacheEntry entry) => observer.OnChange(ResourceChangeType.Set, ToObject(entry));

        public void OnDeleted(CacheEntry entry) => observer.OnChange(ResourceChangeType.Deleted, ToObject(entry));

        public void OnSynced() => observer.OnSynced();

        public void Dispose() => cache.Unsubscribe(this);
    }
}
