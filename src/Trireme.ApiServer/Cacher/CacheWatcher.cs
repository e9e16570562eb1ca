using System.Threading.Channels;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>Why the server ends a watch by itself.</summary>
internal enum WatchEnd
{
    /// <summary>It lagged behind by more than <see cref="WatchCache.WatcherQueueMax"/> events.</summary>
    TooSlow,

    /// <summary>The cache had to list the store again.</summary>
    Relisted,
}

/// <summary>
/// One client's watch: a filter and a bounded queue of events that are shared with all other watchers of the resource.
/// </summary>
/// <remarks>Written under the cache's lock, read by the one task that answers the client. Events are never dropped: a full queue ends the watch.</remarks>
internal sealed class CacheWatcher : IDisposable
{
    private static readonly TimeSpan s_bookmarkInterval = TimeSpan.FromMinutes(1);

    private readonly WatchCache _cache;
    private readonly ObjectFilter _filter;
    private readonly bool _bookmarks;
    private readonly TimeProvider _time;
    private readonly Channel<WatcherEvent> _queue;
    private readonly Revision _after;
    private WatchCacheEvent[] _backlog = [];
    private int _backlogAt;
    private long _bookmarkedAt;

    public CacheWatcher(WatchCache cache, ObjectFilter filter, Revision after, bool bookmarks, TimeProvider time)
    {
        _cache = cache;
        _filter = filter;
        _after = after;
        _bookmarks = bookmarks;
        _time = time;
        _bookmarkedAt = time.GetTimestamp();
        _queue = Channel.CreateBounded<WatcherEvent>(new BoundedChannelOptions(WatchCache.WatcherQueueMax)
        {
            SingleReader = true,
            SingleWriter = true,
            AllowSynchronousContinuations = false,
        });
    }

    /// <summary>Events before the first that <see cref="Offer"/> brings.</summary>
    public void SetBacklog(WatchCacheEvent[] events) => _backlog = events;

    /// <summary>Queues an event if this watcher is to see it.</summary>
    /// <returns>False when the queue is full or closed.</returns>
    public bool Offer(WatchCacheEvent cacheEvent) =>
        cacheEvent.Revision <= _after
        || !_filter.TryTranslate(cacheEvent, out var type)
        || _queue.Writer.TryWrite(new WatcherEvent(type, cacheEvent, cacheEvent.Revision));

    /// <summary>Queues a bookmark if one is wanted and due.</summary>
    /// <returns>False when the queue is full.</returns>
    public bool OfferBookmark(Revision revision)
    {
        if (!_bookmarks || revision < _after || _time.GetElapsedTime(_bookmarkedAt) < s_bookmarkInterval)
        {
            return true;
        }

        _bookmarkedAt = _time.GetTimestamp();
        return _queue.Writer.TryWrite(new WatcherEvent(WatchEventType.Bookmark, null, revision));
    }

    /// <summary>Ends the watch after what is queued already.</summary>
    public void End(WatchEnd reason)
    {
        Ended = reason;
        _queue.Writer.TryComplete();
    }

    /// <summary>Why the server ended the watch; null while it has not.</summary>
    public WatchEnd? Ended { get; private set; }

    /// <summary>The next event, if there is one already.</summary>
    public bool TryRead(out WatcherEvent next)
    {
        while (_backlogAt < _backlog.Length)
        {
            var cacheEvent = _backlog[_backlogAt];
            _backlog[_backlogAt++] = null!;
            if (cacheEvent.Revision > _after && _filter.TryTranslate(cacheEvent, out var type))
            {
                next = new WatcherEvent(type, cacheEvent, cacheEvent.Revision);
                return true;
            }
        }

        return _queue.Reader.TryRead(out next);
    }

    /// <summary>Waits until there is an event; false when the watch has ended. Allocates nothing, which a token would change: use <see cref="Stop"/>.</summary>
    public ValueTask<bool> WaitAsync() => _queue.Reader.WaitToReadAsync(CancellationToken.None);

    /// <summary>Ends the watch from the client's side, or because its time is up.</summary>
    public void Stop() => _queue.Writer.TryComplete();

    public void Dispose()
    {
        _cache.Remove(this);
        _queue.Writer.TryComplete();
    }
}
