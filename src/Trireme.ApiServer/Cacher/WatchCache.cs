using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// The objects of one resource as bytes and its recent changes: serves get, list and watch without the store.
/// </summary>
/// <remarks>
/// Written by the <see cref="Reflector"/> alone, one call at a time; read by everybody. What eventually holds: the cache shows the store's
/// state. What always holds: <see cref="Read"/> gives a state that the store really had, at the revision it says; a watcher gets every change
/// after its starting point once, in order, or is ended.
/// <para>
/// <see cref="_gate"/> guards ring, watchers, observers and publication. Under it nothing blocks: watchers have bounded queues and a full one
/// is ended, never waited for.
/// </para>
/// </remarks>
public sealed class WatchCache
{
    /// <summary>How many changes a slow client may lag behind before its watch ends.</summary>
    public const int WatcherQueueMax = 8192;

    private const int PinnedMax = 16;
    private static readonly TimeSpan s_pinnedFor = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly EventRing _ring;
    private readonly List<CacheWatcher> _watchers = [];
    private readonly List<ICacheObserver> _observers = [];
    private readonly List<(long Revision, ObjectSnapshot Snapshot, long UsedAt)> _pinned = [];
    private readonly TaskCompletionSource _filled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Func<Revision> _progress;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    private volatile State _state = new(ObjectSnapshot.Empty, Revision.None);

    /// <param name="resource">What is cached.</param>
    /// <param name="progress">How far the feed has come: every change up to there has been applied to every cache.</param>
    /// <param name="time">Ages of events.</param>
    /// <param name="logger">Told of values that are no objects.</param>
    internal WatchCache(CachedResource resource, Func<Revision> progress, TimeProvider time, ILogger logger)
    {
        Resource = resource;
        _progress = progress;
        _time = time;
        _logger = logger;
        _ring = new EventRing(time);
        Indexer = new ObjectIndexer(resource.FieldPaths);
        Pace = new WatchPace(time);
    }

    public CachedResource Resource { get; }

    internal ObjectIndexer Indexer { get; }

    internal WatchPace Pace { get; }

    /// <summary>Completes when the cache shows, for the first time, a state that is not older than the store's was when the server started.</summary>
    public Task Filled => _filled.Task;

    /// <summary>Number of watches that are open.</summary>
    public int WatcherCount
    {
        get
        {
            lock (_gate)
            {
                return _watchers.Count;
            }
        }
    }

    /// <summary>The newest state: the objects exactly as of the revision.</summary>
    public (ObjectSnapshot Snapshot, Revision Revision) Read()
    {
        // The feed's progress is published after the states that it covers, so read before the state it never claims too much.
        var progress = _progress();
        var state = _state;
        return (state.Snapshot, progress > state.Revision ? progress : state.Revision);
    }

    /// <summary>The objects as of a past revision, if still known; null sends the caller to the store.</summary>
    public ObjectSnapshot? ReadAt(Revision revision)
    {
        var (snapshot, newest) = Read();
        var state = _state;
        if (revision <= newest && revision >= state.Revision && ReferenceEquals(snapshot, state.Snapshot) && _filled.Task.IsCompleted)
        {
            return snapshot;
        }

        lock (_gate)
        {
            for (var i = 0; i < _pinned.Count; i++)
            {
                if (_pinned[i].Revision == revision.Value)
                {
                    _pinned[i] = _pinned[i] with { UsedAt = _time.GetTimestamp() };
                    return _pinned[i].Snapshot;
                }
            }
        }

        return null;
    }

    /// <summary>Keeps a snapshot for the pages that will follow: a continued list is answered here even after the store has compacted.</summary>
    internal void Pin(Revision revision, ObjectSnapshot snapshot)
    {
        lock (_gate)
        {
            _pinned.RemoveAll(p => p.Revision == revision.Value);
            ExpirePinnedLocked();
            if (_pinned.Count == PinnedMax)
            {
                _pinned.Remove(_pinned.MinBy(p => p.UsedAt));
            }

            _pinned.Add((revision.Value, snapshot, _time.GetTimestamp()));
        }
    }

    /// <summary>Forgets the snapshots that no list goes on with any more; each may hold every object as it was.</summary>
    internal void ExpirePinned()
    {
        lock (_gate)
        {
            ExpirePinnedLocked();
        }
    }

    private void ExpirePinnedLocked()
    {
        var now = _time.GetTimestamp();
        _pinned.RemoveAll(p => _time.GetElapsedTime(p.UsedAt, now) > s_pinnedFor);
    }

    /// <summary>One object of the newest state.</summary>
    public CacheEntry? Find(string? @namespace, string name) => _state.Snapshot.Find(Resource.Key(@namespace, name));

    /// <summary>Opens a watch of everything after a revision.</summary>
    /// <returns>The watcher with its backlog; null when history is gone and the client must list again.</returns>
    internal CacheWatcher? Watch(ObjectFilter filter, Revision after, bool bookmarks)
    {
        var watcher = new CacheWatcher(this, filter, after, bookmarks, _time);
        lock (_gate)
        {
            if (after < _ring.Horizon)
            {
                return null;
            }

            watcher.SetBacklog(_ring.After(after));
            _watchers.Add(watcher);
        }

        return watcher;
    }

    /// <summary>Opens a watch that begins with the objects as they are now.</summary>
    internal (CacheWatcher Watcher, ObjectSnapshot Snapshot, Revision Revision) WatchFromNow(ObjectFilter filter, bool bookmarks)
    {
        lock (_gate)
        {
            var (snapshot, revision) = Read();
            var watcher = new CacheWatcher(this, filter, revision, bookmarks, _time);
            _watchers.Add(watcher);
            return (watcher, snapshot, revision);
        }
    }

    internal void Remove(CacheWatcher watcher)
    {
        lock (_gate)
        {
            _watchers.Remove(watcher);
        }
    }

    /// <summary>Tells an observer of everything there is and of every change from then on.</summary>
    internal void Subscribe(ICacheObserver observer)
    {
        lock (_gate)
        {
            foreach (var entry in _state.Snapshot.Range(Resource.Prefix))
            {
                Tell(observer, entry, deleted: false);
            }

            if (_filled.Task.IsCompleted)
            {
                observer.OnSynced();
            }

            _observers.Add(observer);
        }
    }

    internal void Unsubscribe(ICacheObserver observer)
    {
        lock (_gate)
        {
            _observers.Remove(observer);
        }
    }

    /// <summary>Takes over what a list of the store found. Watches end, because what happened in between is not known.</summary>
    internal void Replace(IReadOnlyList<StoredEntry> entries, Revision revision)
    {
        var objects = new List<CacheEntry>(entries.Count);
        foreach (var entry in entries)
        {
            if (Index(entry, Indexer) is { } indexed)
            {
                objects.Add(indexed);
            }
        }

        objects.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        var snapshot = ObjectSnapshot.Create(objects);
        lock (_gate)
        {
            var old = _state;
            _state = new State(snapshot, revision);
            _ring.Reset(revision);
            foreach (var watcher in _watchers)
            {
                watcher.End(WatchEnd.Relisted);
            }

            _watchers.Clear();
            NotifyDifferences(old.Snapshot, snapshot, revision);
        }
    }

    /// <summary>The cache has caught up with the store: from here on it may answer.</summary>
    internal void MarkFilled()
    {
        lock (_gate)
        {
            if (_filled.TrySetResult())
            {
                foreach (var observer in _observers)
                {
                    observer.OnSynced();
                }
            }
        }
    }

    /// <summary>Applies changes of this resource, all up to <paramref name="revision"/>.</summary>
    internal void Apply(List<StoreEvent> events, Revision revision)
    {
        lock (_gate)
        {
            var snapshot = _state.Snapshot;
            foreach (var change in events)
            {
                if (change.Revision <= _state.Revision)
                {
                    continue;
                }

                var previous = snapshot.Find(change.Key);
                var current = change.Entry is null ? null : Index(change.Entry, Indexer);
                if (current is null && previous is null)
                {
                    continue;
                }

                snapshot = current is null ? snapshot.Remove(change.Key) : snapshot.Set(current);
                var cacheEvent = new WatchCacheEvent(
                    current ?? previous!.WithRevision(change.Revision), previous, current is null, change.Revision);
                _ring.Add(cacheEvent);
                Dispatch(cacheEvent);
            }

            _state = new State(snapshot, revision > _state.Revision ? revision : _state.Revision);
        }
    }

    /// <summary>Tells watchers that want bookmarks how far they have come, when their next one is due.</summary>
    internal void Bookmark()
    {
        lock (_gate)
        {
            var (_, revision) = Read();
            for (var i = _watchers.Count - 1; i >= 0; i--)
            {
                if (!_watchers[i].OfferBookmark(revision))
                {
                    EndSlow(i);
                }
            }
        }
    }

    private void Dispatch(WatchCacheEvent cacheEvent)
    {
        for (var i = _watchers.Count - 1; i >= 0; i--)
        {
            if (!_watchers[i].Offer(cacheEvent))
            {
                EndSlow(i);
            }
        }

        foreach (var observer in _observers)
        {
            Tell(observer, cacheEvent.Object, cacheEvent.Deleted);
        }
    }

    /// <summary>An observer that fails over one object must not end the feed of everybody.</summary>
    private void Tell(ICacheObserver observer, CacheEntry entry, bool deleted)
    {
        try
        {
            if (deleted)
            {
                observer.OnDeleted(entry);
            }
            else
            {
                observer.OnSet(entry);
            }
        }
        catch (Exception e)
        {
            _logger.LogError(e, "An observer of {Resource} failed over {Key} at revision {Revision}", Resource.Name, entry.Key, entry.Revision);
        }
    }

    private void EndSlow(int index)
    {
        _watchers[index].End(WatchEnd.TooSlow);
        _watchers.RemoveAt(index);
    }

    private void NotifyDifferences(ObjectSnapshot old, ObjectSnapshot current, Revision revision)
    {
        if (_observers.Count == 0)
        {
            return;
        }

        foreach (var entry in old.Range(Resource.Prefix))
        {
            if (current.Find(entry.Key) is null)
            {
                var gone = entry.WithRevision(revision);
                _observers.ForEach(o => Tell(o, gone, deleted: true));
            }
        }

        foreach (var entry in current.Range(Resource.Prefix))
        {
            if (old.Find(entry.Key)?.Revision != entry.Revision)
            {
                _observers.ForEach(o => Tell(o, entry, deleted: false));
            }
        }
    }

    /// <summary>Reads a stored value; one that cannot be read is left out, so that it cannot take the whole resource with it.</summary>
    internal CacheEntry? Index(StoredEntry entry, ObjectIndexer indexer)
    {
        var (@namespace, name) = Resource.ParseKey(entry.Key);
        try
        {
            var value = Resource.Transform is null ? entry.Value : Resource.Transform(entry.Value);
            return indexer.Read(entry.Key, @namespace, name, value.Span, entry.ModRevision);
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            _logger.LogError(e, "Left out {Key} at revision {Revision}: its stored value is not an object", entry.Key, entry.ModRevision);
            return null;
        }
    }

    /// <summary>A snapshot and the revision up to which it is known to be complete. Immutable, so that both are read at once.</summary>
    private sealed record State(ObjectSnapshot Snapshot, Revision Revision);
}
