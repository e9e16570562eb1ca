namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// Read access to the watch caches from inside the server: authentication and authorization live on it, so that neither needs the store.
/// </summary>
/// <remarks>
/// Everything but <see cref="WaitUntilCurrentAsync"/> answers from memory at once, also when the store is gone; then what it answers is
/// what was last seen. Resources are named by group and plural; asking for one that is not served is a fault of the caller
/// (<see cref="ArgumentException"/>). Thread-safe. The JSON that is returned is the stored object with its resourceVersion; it must not be changed.
/// </remarks>
public interface IResourceReader
{
    /// <summary>Whether the resource's cache has been filled once since the start.</summary>
    bool HasSynced(string group, string resource);

    /// <summary>One object, or null when the cache has none of that name.</summary>
    /// <param name="group">API group; empty for the core group.</param>
    /// <param name="resource">Plural.</param>
    /// <param name="namespace">Namespace; null or empty for a cluster-scoped resource.</param>
    /// <param name="name">Name of the object.</param>
    CachedObject? Get(string group, string resource, string? @namespace, string name);

    /// <summary>All objects of a resource, or of one namespace, in key order, as of one moment.</summary>
    IReadOnlyList<CachedObject> List(string group, string resource, string? @namespace = null);

    /// <summary>Tells an observer of every object that there is and then of every change, one call at a time, in order per resource.</summary>
    /// <remarks>
    /// First a <see cref="ResourceChangeType.Set"/> per object present, then <see cref="IResourceObserver.OnSynced"/>, then changes. When the cache had
    /// to list again, the differences are told as changes: an observer's own index never misses a deletion. Disposal ends it.
    /// </remarks>
    IDisposable Subscribe(string group, string resource, IResourceObserver observer);

    /// <summary>Waits until the cache shows every write that was acknowledged before the call.</summary>
    /// <exception cref="Storage.StoreUnavailableException">The store cannot say what is newest.</exception>
    ValueTask WaitUntilCurrentAsync(string group, string resource, CancellationToken cancellationToken);
}

/// <summary>An object in a watch cache.</summary>
/// <param name="Namespace">Namespace; empty for a cluster-scoped object.</param>
/// <param name="Name">Name.</param>
/// <param name="ResourceVersion">Revision of its last change.</param>
/// <param name="Json">The object as UTF-8 JSON, as clients get it.</param>
public sealed record CachedObject(string Namespace, string Name, long ResourceVersion, ReadOnlyMemory<byte> Json);

/// <summary>What happened to an object.</summary>
public enum ResourceChangeType
{
    /// <summary>The object appeared or changed.</summary>
    Set,

    /// <summary>The object is gone; what is handed over is its last state.</summary>
    Deleted,
}

/// <summary>Hears about one resource; called from the cache's loop, so it must be quick and must not throw.</summary>
public interface IResourceObserver
{
    void OnChange(ResourceChangeType type, CachedObject obj);

    /// <summary>Everything that was there at the time of subscription has been told.</summary>
    void OnSynced();
}
