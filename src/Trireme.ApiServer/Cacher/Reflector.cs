using Microsoft.Extensions.Logging;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Keeps all watch caches in step with the store by one single watch of everything, and knows how far they have come.
/// </summary>
/// <remarks>
/// Kubernetes watches each resource by itself and must ask for progress before a quiet one can answer a consistent read. Here one watch
/// carries every change, so the first change anywhere moves all caches forward, and "everything up to R has been seen" needs no request.
/// <code>
///   start ──► list each resource ──► watch all ──► apply batch ──► publish progress ──┐
///     ▲                                  ▲                                            │
///     │ history compacted, or listing    └────────────────────────────────────────────┘
///     └ failed: back off
/// </code>
/// If the store goes away the caches stay as they are and the watch resumes where it was; only compaction forces a new list.
/// The first list is made a little in the past where history allows, so that clients of a server that restarted can resume their watches
/// here instead of listing everything again. Until the watch has brought that past up to the present the caches do not count as filled: a client that
/// asked for any version must not be shown a state in which, for a node agent, its pods do not exist yet.
/// </remarks>
public sealed class Reflector(IRevisionedStore store, string prefix, TimeProvider time, ILogger<Reflector> logger)
{
    /// <summary>How many revisions before the newest the first list is made.</summary>
    private const int Backfill = 2000;

    private const int PageSize = 500;
    private static readonly TimeSpan s_backOffMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_bookmarkTick = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_bookmarkPatience = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, WatchCache[]> _byPrefix = new(StringComparer.Ordinal);
    private long _progress;
    private bool _hasRun;
    private Revision? _catchUp; // revision at which caches that were filled from the past are current
    private TaskCompletionSource? _advanced;
    private Dictionary<WatchCache, List<StoreEvent>>? _late;

    /// <summary>Every change up to here has been applied to every cache.</summary>
    public Revision Progress => new(Volatile.Read(ref _progress));

    /// <summary>All caches.</summary>
    public IReadOnlyList<WatchCache> Caches
    {
        get
        {
            lock (_gate)
            {
                return [.. _byPrefix.Values.SelectMany(c => c)];
            }
        }
    }

    /// <summary>Makes the cache of a resource; it is filled by <see cref="RunAsync"/>, or by <see cref="FillAsync"/> when that runs already.</summary>
    public WatchCache Add(CachedResource resource)
    {
        var cache = new WatchCache(resource, () => Progress, time, logger);
        lock (_gate)
        {
            _byPrefix[resource.Prefix] = _byPrefix.TryGetValue(resource.Prefix, out var there) ? [.. there, cache] : [cache];
            if (_hasRun)
            {
                (_late ??= [])[cache] = [];
            }
        }

        return cache;
    }

    /// <summary>Forgets a cache; its watches end.</summary>
    public void Remove(WatchCache cache)
    {
        lock (_gate)
        {
            if (_byPrefix.TryGetValue(cache.Resource.Prefix, out var there))
            {
                WatchCache[] rest = [.. there.Where(c => c != cache)];
                if (rest.Length > 0)
                {
                    _byPrefix[cache.Resource.Prefix] = rest;
                }
                else
                {
                    _byPrefix.Remove(cache.Resource.Prefix);
                }
            }

            _late?.Remove(cache);
        }

        cache.Replace([], Progress);
        cache.MarkFilled();
    }

    /// <summary>Fills a cache that was added while the feed is running. Changes that arrive meanwhile are kept and applied after the list.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot be listed now.</exception>
    public async Task FillAsync(WatchCache cache, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_late?.ContainsKey(cache) != true)
            {
                return;
            }
        }

        var revision = await store.CurrentRevisionAsync(cancellationToken);
        var entries = await ListAsync(cache.Resource.Prefix, revision, cancellationToken);
        lock (_gate)
        {
            if (_late?.Remove(cache, out var events) == true)
            {
                cache.Replace(entries, revision);
                cache.Apply(events, Progress);
                cache.MarkFilled();
            }
        }
    }

    /// <summary>Waits until every change up to a revision has been applied.</summary>
    public async Task WaitForAsync(Revision revision, CancellationToken cancellationToken)
    {
        while (Progress < revision)
        {
            Task advanced;
            lock (_gate)
            {
                if (Progress >= revision)
                {
                    return;
                }

                advanced = (_advanced ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await advanced.WaitAsync(cancellationToken);
        }
    }

    /// <summary>The objects of a resource as the store had them at a revision, for lists of a past that no cache remembers.</summary>
    /// <exception cref="StoreCompactedException">That history is gone.</exception>
    public async Task<ObjectSnapshot> ReadStoreAsync(WatchCache cache, Revision revision, CancellationToken cancellationToken)
    {
        var entries = await ListAsync(cache.Resource.Prefix, revision, cancellationToken);
        var indexer = new ObjectIndexer(cache.Resource.FieldPaths);
        var objects = new List<CacheEntry>(entries.Count);
        foreach (var entry in entries)
        {
            if (cache.Index(entry, indexer) is { } indexed)
            {
                objects.Add(indexed);
            }
        }

        objects.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        return ObjectSnapshot.Create(objects);
    }

    /// <summary>Fills the caches and keeps them current until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var bookmarks = BookmarkAsync(stop.Token);
        var failures = 0;
        try
        {
            while (true)
            {
                try
                {
                    var revision = await FillAllAsync(cancellationToken);
                    failures = 0;
                    await foreach (var batch in store.WatchAsync(prefix, revision, cancellationToken))
                    {
                        Apply(batch);
                    }
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    return;
                }
                catch (StoreCompactedException)
                {
                    logger.LogWarning("Watch fell behind the store's history after revision {Revision}, listing again", Progress);
                }
                catch (Exception e)
                {
                    logger.LogWarning("Could not read the store, trying again: {Error}", e.Message);
                }

                failures = Math.Min(failures + 1, 6);
                var delay = TimeSpan.FromMilliseconds(50 << failures);
                await Task.Delay(delay < s_backOffMax ? delay : s_backOffMax, time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping during the back-off.
        }
        finally
        {
            await stop.CancelAsync();
            await bookmarks;
        }
    }

    private async Task<Revision> FillAllAsync(CancellationToken cancellationToken)
    {
        var newest = await store.CurrentRevisionAsync(cancellationToken);
        var revision = Progress > Revision.None ? newest : new Revision(Math.Max(newest.Value - Backfill, 1));
        revision = newest < revision ? newest : revision;
        WatchCache[] caches;
        lock (_gate)
        {
            _hasRun = true;
            _late = null;
            caches = [.. _byPrefix.Values.SelectMany(c => c)];
        }

        var lists = new Dictionary<string, IReadOnlyList<StoredEntry>>(StringComparer.Ordinal);
        try
        {
            await ListAllAsync(caches, lists, revision, cancellationToken);
        }
        catch (StoreCompactedException) when (revision < newest)
        {
            // No history to backfill from: begin at the newest state.
            revision = newest;
            lists.Clear();
            await ListAllAsync(caches, lists, revision, cancellationToken);
        }

        lock (_gate)
        {
            foreach (var cache in caches)
            {
                cache.Replace(lists[cache.Resource.Prefix], revision);
                _late?.Remove(cache);
            }

            _catchUp = newest;
        }

        Publish(revision);
        return revision;
    }

    private async Task ListAllAsync(
        WatchCache[] caches, Dictionary<string, IReadOnlyList<StoredEntry>> lists, Revision revision, CancellationToken cancellationToken)
    {
        await Parallel.ForEachAsync(
            caches.Select(c => c.Resource.Prefix).Distinct(StringComparer.Ordinal),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (resourcePrefix, token) =>
            {
                var entries = await ListAsync(resourcePrefix, revision, token);
                lock (lists)
                {
                    lists[resourcePrefix] = entries;
                }
            });
    }

    private async Task<List<StoredEntry>> ListAsync(string resourcePrefix, Revision revision, CancellationToken cancellationToken)
    {
        var entries = new List<StoredEntry>();
        string? after = null;
        while (true)
        {
            var page = await store.ListAsync(new ListRequest(resourcePrefix, revision, PageSize, after), cancellationToken);
            entries.AddRange(page.Entries);
            if (page.Remaining == 0 || page.Entries.Count == 0)
            {
                return entries;
            }

            after = page.Entries[^1].Key;
        }
    }

    private void Apply(WatchBatch batch)
    {
        if (batch.Events.Count > 0)
        {
            lock (_gate)
            {
                Dictionary<WatchCache, List<StoreEvent>>? byCache = null;
                foreach (var change in batch.Events)
                {
                    foreach (var cache in CachesOf(change.Key))
                    {
                        byCache ??= [];
                        if (!byCache.TryGetValue(cache, out var events))
                        {
                            byCache[cache] = events = [];
                        }

                        events.Add(change);
                    }
                }

                foreach (var (cache, events) in byCache ?? [])
                {
                    if (_late is not null && _late.TryGetValue(cache, out var kept))
                    {
                        kept.AddRange(events);
                    }
                    else
                    {
                        cache.Apply(events, batch.Revision);
                    }
                }
            }
        }

        Publish(batch.Revision);
    }

    /// <summary>Caches by the key's resource: <c>/registry/pods/</c> or <c>/registry/apps/deployments/</c>.</summary>
    private WatchCache[] CachesOf(string key)
    {
        var lookup = _byPrefix.GetAlternateLookup<ReadOnlySpan<char>>();
        var end = prefix.Length;
        for (var depth = 0; depth < 2; depth++)
        {
            var slash = key.AsSpan(end).IndexOf('/');
            if (slash < 0)
            {
                break;
            }

            end += slash + 1;
            if (lookup.TryGetValue(key.AsSpan(0, end), out var caches))
            {
                return caches;
            }
        }

        return [];
    }

    private void Publish(Revision revision)
    {
        TaskCompletionSource? advanced;
        lock (_gate)
        {
            if (revision > Progress)
            {
                Volatile.Write(ref _progress, revision.Value);
            }

            if (_catchUp <= Progress)
            {
                _catchUp = null;
                foreach (var cache in _byPrefix.Values.SelectMany(c => c).Where(c => _late?.ContainsKey(c) != true))
                {
                    cache.MarkFilled();
                }
            }

            advanced = _advanced;
            _advanced = null;
        }

        advanced?.TrySetResult();
    }

    private async Task BookmarkAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(s_bookmarkTick, time, cancellationToken);
                await TendAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Sends the bookmarks that are due and forgets what nobody goes on with.</summary>
    internal async Task TendAsync(CancellationToken cancellationToken)
    {
        var isCurrent = await IsCurrentAsync(cancellationToken);
        foreach (var cache in Caches)
        {
            cache.ExpirePinned();
            if (isCurrent)
            {
                cache.Bookmark();
            }
        }
    }

    /// <summary>Whether the caches show what the store shows. A server that has lost the store sends no bookmarks, so that its clients notice the silence.</summary>
    private async Task<bool> IsCurrentAsync(CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(s_bookmarkPatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            await WaitForAsync(await store.CurrentRevisionAsync(either.Token), either.Token);
            return true;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogDebug("Sent no bookmarks, the store did not confirm the newest state: {Error}", e.Message);
            return false;
        }
    }
}
