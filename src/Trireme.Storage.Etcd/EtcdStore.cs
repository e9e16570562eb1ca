using System.Runtime.CompilerServices;
using Google.Protobuf;
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
/// another, <see cref="CommitLanes"/> makes that safe for commits, <see cref="EtcdFeed"/> turns one watch of the whole cluster into any number of
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
    private readonly LaneSweeper _sweeper;
    private readonly SemaphoreSlim _commits;
    private readonly TimeSpan _totalTimeout;
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
        _sweeper = new LaneSweeper(_caller, _lanes, timeProvider, logger);
        _commits = new SemaphoreSlim(options.MaxInFlightCommits);
        _totalTimeout = options.TotalTimeout;
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
        if (!await _commits.WaitAsync(_totalTimeout, cancellationToken).ConfigureAwait(false))
        {
            throw new StoreUnavailableException(
                $"etcd did not answer earlier commits within {_totalTimeout.TotalSeconds} s", mayHaveApplied: false);
        }

        try
        {
            return await CommitOnLaneAsync(transaction, cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e) when (EtcdErrors.IsOutOfSpace(e) && transaction.Operations.All(o => o.Value is null))
        {
            return await DeleteWithoutSpaceAsync(transaction, cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            throw EtcdErrors.Judge(e) == EtcdVerdict.TooLarge
                ? new StoreRequestTooLargeException(e.Status.Detail, e)
                : new StoreUnavailableException($"etcd refused: {e.Status.Detail}", mayHaveApplied: false, e);
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
            throw new StoreUnavailableException($"etcd refused: {e.Status.Detail}", mayHaveApplied: false, e);
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

    private async ValueTask<CommitResult> CommitOnLaneAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        // Not given back when there is no answer: a late attempt may still change the marker.
        var lane = _lanes.Rent();
        while (true)
        {
            lane.NewTicket();
            TxnResponse response;
            try
            {
                response = await _caller.CallAsync(
                    CreateRequest(transaction, lane),
                    static (channel, request, options) => channel.Kv.TxnAsync(request, options),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is RpcException or StoreUnavailableException { MayHaveApplied: false })
            {
                _lanes.Return(lane);
                throw;
            }

            Saw(response.Header.Revision);
            var (result, revision) = lane.Read(response);
            if (result == LaneResult.Moved)
            {
                continue;
            }

            _lanes.Return(lane);
            return result == LaneResult.Landed
                ? new CommitResult(true, new Revision(revision), [])
                : new CommitResult(false, new Revision(revision), ReadCurrent(transaction, response));
        }
    }

    /// <summary>A cluster whose database is full accepts transactions that put nothing, so this one leaves no marker: deleting must remain possible,
    /// it is the way out. The price is that one that was repeated may be told that its own first attempt is a failed condition.</summary>
    private async ValueTask<CommitResult> DeleteWithoutSpaceAsync(
        Transaction transaction, CancellationToken cancellationToken)
    {
        var response = await _caller.CallAsync(
            CreateRequest(transaction),
            static (channel, request, options) => channel.Kv.TxnAsync(request, options),
            cancellationToken).ConfigureAwait(false);
        return new CommitResult(
            response.Succeeded,
            new Revision(response.Header.Revision),
            response.Succeeded ? [] : ReadCurrent(transaction, response));
    }

    private TxnRequest CreateRequest(Transaction transaction, CommitLane? lane = null)
    {
        var request = new TxnRequest();
        foreach (var condition in transaction.Conditions)
        {
            var key = _keys.Encode(condition.Key);
            request.Compare.Add(new Compare
            {
                Target = Compare.Types.CompareTarget.Mod, Key = key, ModRevision = condition.ModRevision.Value,
            });
            request.Failure.Add(new RequestOp { RequestRange = new RangeRequest { Key = key } });
        }

        foreach (var operation in transaction.Operations)
        {
            var key = _keys.Encode(operation.Key);
            request.Success.Add(operation.Value is { } value
                ? new RequestOp { RequestPut = new PutRequest { Key = key, Value = UnsafeByteOperations.UnsafeWrap(value) } }
                : new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = key } });
        }

        lane?.Guard(request);
        return request;
    }

    private static StoredEntry?[] ReadCurrent(Transaction transaction, TxnResponse response)
    {
        var current = new StoredEntry?[transaction.Conditions.Count];
        for (var i = 0; i < current.Length; i++)
        {
            var found = response.Responses[i].ResponseRange.Kvs;
            current[i] = found.Count > 0 ? RangeReader.Entry(transaction.Conditions[i].Key, found[0]) : null;
        }

        return current;
    }

    private async Task<long> ReadRevisionAsync(CancellationToken cancellationToken)
    {
        var response = await _caller.CallAsync(
            new RangeRequest { Key = Keys.First, CountOnly = true },
            static (channel, request, options) => channel.Kv.RangeAsync(request, options),
            cancellationToken).ConfigureAwait(false);
        Saw(response.Header.Revision);
        return response.Header.Revision;
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
