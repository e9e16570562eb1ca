using System.Runtime.CompilerServices;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;
using Trireme.Storage.Etcd.Watching;

namespace Trireme.Storage.Etcd;

/// <summary>The store in an etcd cluster (3.4 or newer).</summary>
/// <remarks>
/// Any member serves any call: <see cref="MemberPool"/> holds the one in use, <see cref="FailoverCaller"/> repeats what it did not answer on
/// another, <see cref="Committer"/> makes that safe for commits, <see cref="EtcdFeed"/> turns one watch of the whole cluster into any number of
/// watches here. Nothing connects before the first call.
/// </remarks>
public sealed class EtcdStore : IRevisionedStore
{
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _timeProvider;
    private readonly Keys _keys;
    private readonly MemberPool _pool;
    private readonly FailoverCaller _caller;
    private readonly RangeReader _reader;
    private readonly CoalescedRead<long> _revision;
    private readonly EtcdFeed _feed;
    private readonly CommitLanes _lanes = new();
    private readonly Committer _committer;
    private readonly LaneSweeper _sweeper;
    private readonly SemaphoreSlim _commits;
    private readonly EtcdOptions _options;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private Task? _sweeping;
    private long _compacted;
    private long _newestSeen;
    private int _disposed;

    public EtcdStore(EtcdOptions options, TimeProvider timeProvider, ILoggerFactory? loggerFactory = null)
    {
        var logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<EtcdStore>();
        _timeProvider = timeProvider;
        _keys = new Keys(options.Prefix);
        _pool = new MemberPool(options, timeProvider, logger);
        _caller = new FailoverCaller(_pool, options, timeProvider);
        _reader = new RangeReader(_caller, _keys, Saw);
        _revision = new CoalescedRead<long>(() => ReadRevisionAsync(_stop.Token));
        _committer = new Committer(_caller, _keys, _lanes, Saw);
        _sweeper = new LaneSweeper(_caller, _lanes, timeProvider, logger);
        _commits = new SemaphoreSlim(options.MaxInFlightCommits);
        _options = options;
        _feed = new EtcdFeed(
            () => new WatchFollower(_pool, _keys, options, timeProvider, () => Volatile.Read(ref _newestSeen)),
            async cancellationToken => new Revision(await ReadRevisionAsync(cancellationToken).ConfigureAwait(false)),
            timeProvider,
            logger);
    }

    /// <summary>The member in use, if there is one now.</summary>
    public Uri? MemberInUse => _pool.Current?.Member.Endpoint;

    /// <inheritdoc/>
    public async ValueTask<GetResult> GetAsync(
        string key, Revision? at = null, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return await _reader.GetAsync(key, at, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<ListResult> ListAsync(ListRequest request, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return await _reader.ListAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<CommitResult> CommitAsync(
        Transaction transaction, CancellationToken cancellationToken = default)
    {
        transaction.ThrowIfInvalid();
        ThrowIfDisposed();
        EnsureSweeping();
        var patience = _pool.IsLost ? _options.ProbeTimeout : _options.TotalTimeout;
        if (!await _commits.WaitAsync(patience, cancellationToken).ConfigureAwait(false))
        {
            throw new StoreUnavailableException(
                $"etcd did not answer earlier commits within {patience.TotalSeconds} s", mayHaveApplied: false);
        }

        try
        {
            return await _committer.CommitAsync(transaction, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _commits.Release();
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<WatchBatch> WatchAsync(
        string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();

        // What we compacted ourselves may still be remembered here; what is compacted is compacted.
        if (after.Value < Volatile.Read(ref _compacted))
        {
            throw new StoreCompactedException(new Revision(Volatile.Read(ref _compacted)));
        }

        await foreach (var batch in _feed.FollowAsync(prefix, after, cancellationToken).ConfigureAwait(false))
        {
            yield return batch;
        }
    }

    /// <inheritdoc/>
    public async ValueTask CompactAsync(Revision revision, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        try
        {
            await _caller.CallAsync(
                new CompactionRequest { Revision = revision.Value },
                static (channel, request, options) => channel.Kv.CompactAsync(request, options),
                cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e) when (EtcdErrors.Judge(e) == EtcdVerdict.Compacted)
        {
            // By an earlier call, perhaps by the first attempt of this one.
        }
        catch (RpcException e) when (EtcdErrors.Judge(e) == EtcdVerdict.FutureRevision)
        {
            throw new StoreFutureRevisionException(revision, Revision.None);
        }
        catch (RpcException e)
        {
            throw EtcdErrors.Refused(e, mayHaveApplied: false);
        }

        InterlockedMax(ref _compacted, revision.Value);
    }

    /// <inheritdoc/>
    public async ValueTask<Revision> CurrentRevisionAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfDisposed();
        try
        {
            var revision = new Revision(await _revision.ReadAsync().WaitAsync(cancellationToken).ConfigureAwait(false));
            _feed.RequestProgress(revision);
            return revision;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(EtcdStore));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _feed.DisposeAsync().ConfigureAwait(false);
        await StopSweepingAsync().ConfigureAwait(false);
        _pool.Dispose();
        _stop.Dispose();
    }

    private async Task<long> ReadRevisionAsync(CancellationToken cancellationToken)
    {
        try
        {
            var response = await _caller.CallAsync(
                new RangeRequest { Key = Keys.First, CountOnly = true },
                static (channel, request, options) => channel.Kv.RangeAsync(request, options),
                cancellationToken).ConfigureAwait(false);
            Saw(response.Header.Revision);
            return response.Header.Revision;
        }
        catch (RpcException e)
        {
            throw EtcdErrors.Refused(e, mayHaveApplied: false);
        }
    }

    private void Saw(long revision) => InterlockedMax(ref _newestSeen, revision);

    private static void InterlockedMax(ref long location, long value)
    {
        for (var seen = Volatile.Read(ref location); seen < value;)
        {
            var before = Interlocked.CompareExchange(ref location, value, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    private void EnsureSweeping()
    {
        if (Volatile.Read(ref _sweeping) is null)
        {
            lock (_lock)
            {
                _sweeping ??= Task.Run(() => _sweeper.RunAsync(_stop.Token));
            }
        }
    }

    private async Task StopSweepingAsync()
    {
        try
        {
            if (_sweeping is { } sweeping)
            {
                await sweeping.ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // We stopped it.
        }

        if (!_lanes.IsUsed)
        {
            return;
        }

        try
        {
            using var farewell = new CancellationTokenSource(s_farewell, _timeProvider);
            await _sweeper.RemoveOwnAsync(farewell.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or StoreUnavailableException or RpcException)
        {
            // Another client sweeps them.
        }
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed != 0, this);
}
