using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Trireme.TestKit;

namespace Trireme.Storage.Etcd.Tests;

/// <summary>Writers of numbered keys and a watcher, running while a test breaks things; afterwards says whether anything was lost or repeated.</summary>
internal sealed class Traffic : IAsyncDisposable
{
    private readonly IRevisionedStore _store;
    private readonly CancellationTokenSource _stopWriting = new();
    private readonly CancellationTokenSource _stopWatching = new();
    private readonly ConcurrentDictionary<string, Revision> _acknowledged = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _unknown = new(StringComparer.Ordinal);
    private readonly List<StoreEvent> _seen = [];
    private readonly Task[] _writers;
    private readonly Task _watcher;
    private long _watched;

    private Traffic(IRevisionedStore store, Revision start, int writers)
    {
        _store = store;
        _watcher = Task.Run(() => WatchAsync(start));
        _writers = [.. Enumerable.Range(0, writers).Select(n => Task.Run(() => WriteAsync(n)))];
    }

    /// <summary>Writes that were acknowledged so far.</summary>
    public int Acknowledged => _acknowledged.Count;

    /// <summary>Writes whose outcome the store could not tell.</summary>
    public int Unknown => _unknown.Count;

    public static async Task<Traffic> StartAsync(IRevisionedStore store, int writers = 4) =>
        new(store, await store.CurrentRevisionAsync(), writers);

    /// <summary>Waits until so many more writes were acknowledged: the system works at present.</summary>
    public Task FlowsAsync(int more = 40)
    {
        var goal = Acknowledged + more;
        return Eventually.HoldsAsync(() => Acknowledged >= goal || _writers.Any(w => w.IsFaulted), $"{more} more writes");
    }

    /// <summary>Stops writing, lets the watcher catch up, and compares what was acknowledged with what is stored and what was watched.</summary>
    public async Task StopAndVerifyAsync()
    {
        await _stopWriting.CancelAsync();
        await Task.WhenAll(_writers);
        var current = await _store.CurrentRevisionAsync();
        await Eventually.HoldsAsync(
            () => Volatile.Read(ref _watched) >= current.Value || _watcher.IsCompleted, "the watch has come to the end");
        await _stopWatching.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _watcher);

        // In order, once each, at the revision that was acknowledged.
        Assert.Equal(_seen.Select(e => e.Revision).Order(), _seen.Select(e => e.Revision));
        var watched = _seen.ToDictionary(e => e.Key, e => e.Revision, StringComparer.Ordinal);
        Assert.Equal(_seen.Count, watched.Count);
        foreach (var (key, revision) in _acknowledged)
        {
            Assert.True(watched.TryGetValue(key, out var at), $"Watch missed {key} of revision {revision}");
            Assert.Equal(revision, at);
        }

        Assert.All(watched.Keys, key => Assert.True(_acknowledged.ContainsKey(key) || _unknown.ContainsKey(key)));

        var stored = (await _store.ListAsync(new ListRequest("/n/"))).Entries;
        Assert.Equal(watched.Keys.Order(StringComparer.Ordinal), stored.Select(e => e.Key));
        Assert.All(stored, e => Assert.Equal(watched[e.Key], e.ModRevision));
        Assert.All(stored, e => Assert.Equal(e.Key, Encoding.UTF8.GetString(e.Value.Span)));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopWriting.CancelAsync();
        await _stopWatching.CancelAsync();
        try
        {
            await Task.WhenAll([.. _writers, _watcher]);
        }
        catch (Exception e) when (e is OperationCanceledException or StoreUnavailableException or ObjectDisposedException)
        {
            // The test has ended, for better or worse.
        }

        _stopWriting.Dispose();
        _stopWatching.Dispose();
    }

    private async Task WriteAsync(int writer)
    {
        for (var i = 0; !_stopWriting.IsCancellationRequested; i++)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"/n/{writer}/{i:000000}");
            try
            {
                var result = await _store.CommitAsync(Transaction.Create(key, Encoding.UTF8.GetBytes(key)));

                // Nobody else writes this key: "exists already" would be our own repeated attempt that was not recognized.
                Assert.True(result.Succeeded, $"Create of {key} found its own earlier attempt");
                _acknowledged[key] = result.Revision;
            }
            catch (StoreUnavailableException e)
            {
                if (e.MayHaveApplied)
                {
                    _unknown[key] = true;
                }
            }
        }
    }

    private async Task WatchAsync(Revision start)
    {
        await foreach (var batch in _store.WatchAsync("/n/", start, _stopWatching.Token))
        {
            _seen.AddRange(batch.Events);
            Volatile.Write(ref _watched, batch.Revision.Value);
        }
    }
}
