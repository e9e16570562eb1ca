using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Trireme.Storage.Etcd.Watching;
using Trireme.Storage.Watching;

namespace Trireme.Storage.Etcd;

/// <summary>One watch of the whole cluster feeding every watch of this store; begins with the first of them.</summary>
/// <remarks>One stream per API server instead of one per resource: less work for etcd, one thing to resume, and every follower knows at any time
/// how far the store has come, which etcd's own progress reports cannot say (see <see cref="WatchSession"/>).</remarks>
internal sealed partial class EtcdFeed(
    Func<WatchFollower> createFollower,
    Func<CancellationToken, Task<Revision>> readRevision,
    TimeProvider timeProvider,
    ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(200);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private Task<ChangeFeed>? _starting;
    private Task? _pump;
    private ChangeFeed? _feed;

    /// <summary>The changes under a prefix behind a revision; see <see cref="IRevisionedStore.WatchAsync"/>.</summary>
    public async IAsyncEnumerable<WatchBatch> FollowAsync(
        string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var feed = Volatile.Read(ref _feed) ?? await StartAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        await foreach (var batch in feed.FollowAsync(prefix, after, cancellationToken).ConfigureAwait(false))
        {
            yield return batch;
        }
    }

    /// <summary>Somebody waits for this revision.</summary>
    public void RequestProgress(Revision revision) => Volatile.Read(ref _feed)?.RequestProgress(revision);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task<ChangeFeed>? starting;
        lock (_lock)
        {
            starting = _starting;
        }

        if (starting is not null)
        {
            try
            {
                (await starting.ConfigureAwait(false)).Dispose();
            }
            catch (ObjectDisposedException)
            {
                // It never began.
            }
        }

        if (_pump is { } pump)
        {
            await pump.ConfigureAwait(false);
        }

        _stop.Dispose();
    }

    private Task<ChangeFeed> StartAsync()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, typeof(EtcdStore));
            return _starting ??= Task.Run(async () =>
            {
                var head = await RevisionAsync().ConfigureAwait(false);
                var feed = new ChangeFeed(head, ReadChangesAsync, timeProvider);
                Volatile.Write(ref _feed, feed);
                _pump = Task.Run(() => PumpAsync(feed, head));
                return feed;
            });
        }
    }

    /// <summary>The newest revision, however long it takes.</summary>
    private async Task<Revision> RevisionAsync()
    {
        while (true)
        {
            try
            {
                return await readRevision(_stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                throw new ObjectDisposedException(nameof(EtcdStore));
            }
            catch (StoreUnavailableException)
            {
                // A watch outlives the loss of every member. The pause is not cancelled, so that stopping takes one way only.
                await Task.Delay(s_pause, timeProvider, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private async Task PumpAsync(ChangeFeed feed, Revision head)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await foreach (var batch in createFollower().FollowAsync(head, _stop.Token).ConfigureAwait(false))
                {
                    feed.Publish(batch.Events, batch.Revision);
                    head = batch.Revision;
                }
            }
            catch (StoreCompactedException e)
            {
                // We were away for longer than history is kept. Followers that need what is gone learn it when they ask for it.
                LogRestarted(head.Value, e.Compacted.Value);
                head = await RestartAsync(feed, head).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException && _stop.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Every watch of this process hangs on this loop: nothing may end it but the store's end.
            catch (Exception e)
#pragma warning restore CA1031
            {
                LogFailed(e);
                await Task.Delay(s_pause, timeProvider, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private async Task<Revision> RestartAsync(ChangeFeed feed, Revision head)
    {
        try
        {
            head = await RevisionAsync().ConfigureAwait(false);
            feed.Restart(head);
        }
        catch (ObjectDisposedException)
        {
            // The loop sees that it is to stop.
        }

        return head;
    }

    private async IAsyncEnumerable<WatchBatch> ReadChangesAsync(
        string prefix, Revision after, Revision upTo, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (upTo.Value <= 1)
        {
            // An empty cluster is at revision 1, which no change has made.
            yield return new WatchBatch([], upTo);
            yield break;
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await foreach (var batch in createFollower().FollowAsync(after, stop.Token).ConfigureAwait(false))
        {
            var events = batch.Events.Where(e => e.Key.StartsWith(prefix, StringComparison.Ordinal)).ToArray();
            yield return new WatchBatch(events, batch.Revision);
            if (batch.Revision >= upTo)
            {
                yield break;
            }
        }
    }

    [LoggerMessage(LogLevel.Error, "Watch failed; opening it again")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(LogLevel.Warning, "Watch was away too long: at revision {Head}, history begins at {Compacted}; starting over")]
    private partial void LogRestarted(long head, long compacted);
}
