namespace Trireme.ApiServer.Cacher;

/// <summary>Hears of every change of a resource, in order, under the cache's lock: must be quick and must not throw.</summary>
internal interface ICacheObserver
{
    /// <summary>An object appeared or changed.</summary>
    void OnSet(CacheEntry entry);

    /// <summary>An object is gone; this was its last state.</summary>
    void OnDeleted(CacheEntry entry);

    /// <summary>The cache has been filled for the first time and all of it has been told.</summary>
    void OnSynced();
}
