using System.Runtime.CompilerServices;

namespace Trireme.Storage.InMemory;

/// <summary>
/// The reference model of <see cref="IRevisionedStore"/>: one lock, whole history in memory until it is compacted. Other implementations are
/// compared with it, so it favours being obviously right over being fast; it is also a good store for tests of what stands above.
/// </summary>
public sealed class InMemoryStore(TimeProvider? timeProvider = null) : IRevisionedStore
{
    private const int MaxEventsPerBatch = 1000;
    private static readonly TimeSpan s_progressInterval = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _timeProvider = timeProvider ?? TimeProvider.System;
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();

    // Guarded by _lock. Every key that ever had a version that is not compacted, in order; its versions, oldest first.
    private readonly List<string> _keys = [];
    private readonly Dictionary<string, List<Version>> _versions = new(StringComparer.Ordinal);

    // Guarded by _lock. Every change after _compacted, in order.
    private readonly List<StoreEvent> _log = [];
    private long _revision = 1;
    private long _compacted;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc/>
    public ValueTask<GetResult> GetAsync(string key, Revision? at = null, CancellationToken cancellationToken = default)
    {
        ThrowIfDone(cancellationToken);
        lock (_lock)
        {
            var revision = ResolveLocked(at);
            return ValueTask.FromResult(new GetResult(FindLocked(key, revision), new Revision(revision)));
        }
    }

    /// <inheritdoc/>
    public ValueTask<ListResult> ListAsync(ListRequest request, CancellationToken cancellationToken = default)
    {
        ThrowIfDone(cancellationToken);
        lock (_lock)
        {
            var revision = ResolveLocked(request.At);
            var start = request.Prefix;
            if (request.After is { } after && KeyOrder.Instance.Compare(after, start) >= 0)
            {
                start = KeyOrder.Successor(after);
            }

            var index = _keys.BinarySearch(start, KeyOrder.Instance);
            var entries = new List<StoredEntry>();
            var remaining = 0L;
            for (var i = index < 0 ? ~index : index;
                i < _keys.Count && _keys[i].StartsWith(request.Prefix, StringComparison.Ordinal);
                i++)
            {
                if (FindLocked(_keys[i], revision) is not { } entry)
                {
                    continue;
                }

                if (request.Limit > 0 && entries.Count >= request.Limit)
                {
                    remaining++;
                }
                else
                {
                    entries.Add(entry);
                }
            }

            return ValueTask.FromResult(new ListResult(entries, new Revision(revision), remaining));
        }
    }

    /// <inheritdoc/>
    public ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken = default)
    {
        transaction.ThrowIfInvalid();
        ThrowIfDone(cancellationToken);
        lock (_lock)
        {
            foreach (var condition in transaction.Conditions)
            {
                if ((FindLocked(condition.Key, _revision)?.ModRevision ?? Revision.None) != condition.ModRevision)
                {
                    var current = transaction.Conditions.Select(c => FindLocked(c.Key, _revision)).ToArray();
                    return ValueTask.FromResult(new CommitResult(false, new Revision(_revision), current));
                }
            }

            ApplyLocked(transaction.Operations);
            return ValueTask.FromResult(new CommitResult(true, new Revision(_revision), []));
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<WatchBatch> WatchAsync(
        string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposed.Token);
        var cursor = after.Value;
        while (true)
        {
            ThrowIfDone(cancellationToken);
            List<StoreEvent> events;
            bool more, reached;
            Task changed;
            lock (_lock)
            {
                if (cursor < _compacted)
                {
                    throw new StoreCompactedException(new Revision(_compacted));
                }

                changed = _changed.Task;
                (events, more) = ReadLogLocked(prefix, ref cursor);
                reached = _revision >= cursor;
            }

            if (events.Count > 0 || (reached && !more))
            {
                yield return new WatchBatch(events, new Revision(cursor));
            }

            if (more)
            {
                continue;
            }

            using var interval = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
            await Task.WhenAny(changed, Task.Delay(s_progressInterval, _timeProvider, interval.Token)).ConfigureAwait(false);
            await interval.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask CompactAsync(Revision revision, CancellationToken cancellationToken = default)
    {
        ThrowIfDone(cancellationToken);
        lock (_lock)
        {
            if (revision.Value > _revision)
            {
                throw new StoreFutureRevisionException(revision, new Revision(_revision));
            }

            if (revision.Value <= _compacted)
            {
                return ValueTask.CompletedTask;
            }

            _compacted = revision.Value;
            _log.RemoveRange(0, FirstAfterLocked(_compacted));
            _keys.RemoveAll(key =>
            {
                var versions = _versions[key];
                var newest = versions.FindLastIndex(v => v.Revision <= _compacted);
                if (newest >= 0)
                {
                    versions.RemoveRange(0, versions[newest].Value is null ? newest + 1 : newest);
                }

                return versions.Count == 0 && _versions.Remove(key);
            });
            return ValueTask.CompletedTask;
        }
    }

    /// <inheritdoc/>
    public ValueTask<Revision> CurrentRevisionAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDone(cancellationToken);
        lock (_lock)
        {
            return ValueTask.FromResult(new Revision(_revision));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await _disposed.CancelAsync().ConfigureAwait(false);

    private void ThrowIfDone(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
    }

    private long ResolveLocked(Revision? at)
    {
        if (at is not { } revision)
        {
            return _revision;
        }

        if (revision.Value < _compacted)
        {
            throw new StoreCompactedException(new Revision(_compacted));
        }

        return revision.Value <= _revision
            ? revision.Value
            : throw new StoreFutureRevisionException(revision, new Revision(_revision));
    }

    private StoredEntry? FindLocked(string key, long revision)
    {
        if (!_versions.TryGetValue(key, out var versions))
        {
            return null;
        }

        var index = versions.FindLastIndex(v => v.Revision <= revision);
        return index >= 0 && versions[index] is { Value: { } value } found
            ? new StoredEntry(key, value, new Revision(found.CreateRevision), new Revision(found.Revision))
            : null;
    }

    private void ApplyLocked(IReadOnlyList<Operation> operations)
    {
        var next = _revision + 1;
        var changes = _log.Count;
        foreach (var operation in operations)
        {
            var existing = FindLocked(operation.Key, _revision);
            if (operation.Value is null && existing is null)
            {
                continue;
            }

            var created = existing?.CreateRevision.Value ?? next;
            VersionsLocked(operation.Key).Add(new Version(next, created, operation.Value));
            var entry = operation.Value is { } value
                ? new StoredEntry(operation.Key, value, new Revision(created), new Revision(next))
                : null;
            _log.Add(new StoreEvent(operation.Key, entry, new Revision(next)));
        }

        if (_log.Count > changes)
        {
            _revision = next;
            var changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            changed.SetResult();
        }
    }

    private List<Version> VersionsLocked(string key)
    {
        if (!_versions.TryGetValue(key, out var versions))
        {
            _versions[key] = versions = [];
            _keys.Insert(~_keys.BinarySearch(key, KeyOrder.Instance), key);
        }

        return versions;
    }

    private int FirstAfterLocked(long revision)
    {
        int low = 0, high = _log.Count;
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _log[middle].Revision.Value <= revision ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>Reads whole revisions behind the cursor and moves it; 'more' when the log goes on.</summary>
    private (List<StoreEvent> Events, bool More) ReadLogLocked(string prefix, ref long cursor)
    {
        var events = new List<StoreEvent>();
        for (var i = FirstAfterLocked(cursor); i < _log.Count; i++)
        {
            if (events.Count >= MaxEventsPerBatch && _log[i].Revision.Value > cursor)
            {
                return (events, true);
            }

            if (_log[i].Key.StartsWith(prefix, StringComparison.Ordinal))
            {
                events.Add(_log[i]);
            }

            cursor = _log[i].Revision.Value;
        }

        cursor = Math.Max(cursor, _revision);
        return (events, false);
    }

    private readonly record struct Version(long Revision, long CreateRevision, ReadOnlyMemory<byte>? Value);
}
