using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>What a watch says happened; the names are those of the wire.</summary>
public enum WatchEventType
{
    Added,
    Modified,
    Deleted,
    Bookmark,
}

/// <summary>One change of an object, shared by all watchers. Immutable but for what is derived from it once.</summary>
public sealed class WatchCacheEvent
{
    private CacheEntry? _goneForm;

    internal WatchCacheEvent(CacheEntry current, CacheEntry? previous, bool deleted, Revision revision)
    {
        Object = current;
        Previous = previous;
        Deleted = deleted;
        Revision = revision;
    }

    /// <summary>The object after the change; for a deletion its last state under the revision of the deletion.</summary>
    public CacheEntry Object { get; }

    /// <summary>The object before the change; null when it was created.</summary>
    public CacheEntry? Previous { get; }

    /// <summary>Whether the object is gone.</summary>
    public bool Deleted { get; }

    public Revision Revision { get; }

    /// <summary>
    /// What a watcher is told whose selector matched the object before but no longer: the previous state under this revision.
    /// </summary>
    internal CacheEntry GoneForm => Deleted ? Object : _goneForm ??= Previous!.WithRevision(Revision);
}

/// <summary>An event as one watcher is to see it. A bookmark has no event, only a revision.</summary>
internal readonly record struct WatcherEvent(WatchEventType Type, WatchCacheEvent? Event, Revision Revision)
{
    /// <summary>The object to send.</summary>
    public CacheEntry Object => Type == WatchEventType.Deleted ? Event!.GoneForm : Event!.Object;
}
