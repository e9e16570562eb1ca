using System.Runtime.CompilerServices;
using Trireme.Storage.Watching;

namespace Trireme.Storage.Sqlite;

/// <summary>
/// The embedded store: a single server's state in one SQLite file, with no process beside it. An append-only log keyed by revision.
/// </summary>
/// <remarks>
/// <see cref="LogWriter"/> writes and is the only one to do so, <see cref="LogReaders"/> read, <see cref="ChangeFeed"/> tells watchers,
/// <see cref="DirectoryLock"/> keeps a second server out. A commit that was acknowledged is on disk.
/// </remarks>
public sealed class SqliteStore : IRevisionedStore
{
    private const int HistoryPage = 512;
    private const int CompactionChunk = 256;

    private readonly DirectoryLock _directoryLock;
    private readonly ChangeFeed _feed;
    private readonly LogReaders _readers;
    private readonly LogWriter _writer;
    private readonly SemaphoreSlim _compaction = new(1, 1);
    private int _disposed;

    private SqliteStore(SqliteStoreOptions options, DirectoryLock directoryLock, TimeProvider timeProvider)
    {
        var path = Path.Combine(options.Directory, FileName);
        var (connection, revision, compacted) = LogFile.OpenWriter(path);
        _directoryLock = directoryLock;
        try
        {
            _readers = new LogReaders(path, options.Readers);
        }
        catch
        {
            connection.Dispose();
            throw;
        }

        _feed = new ChangeFeed(new Revision(revision), ReadChangesAsync, timeProvider);
        _writer = new LogWriter(connection, path, revision, compacted, options.MaxBatch, _feed);
    }

    /// <summary>Name of the database in the store's directory.</summary>
    public static string FileName => "trireme.db";

    /// <summary>Opens a store, creating it if its directory holds none.</summary>
    /// <exception cref="StoreUnavailableException">Another server uses the directory.</exception>
    /// <exception cref="StoreCorruptException">The file is damaged or not ours.</exception>
    public static SqliteStore Open(SqliteStoreOptions options, TimeProvider timeProvider)
    {
        Directory.CreateDirectory(options.Directory);
        var directoryLock = DirectoryLock.Take(options.Directory);
        try
        {
            return new SqliteStore(options, directoryLock, timeProvider);
        }
        catch
        {
            directoryLock.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<GetResult> GetAsync(
        string key, Revision? at = null, CancellationToken cancellationToken = default)
    {
        var (entry, revision) = await ReadAtAsync(
            at, key, static (reader, key, revision) => reader.Get(key, revision), cancellationToken).ConfigureAwait(false);
        return new GetResult(entry, revision);
    }

    /// <inheritdoc/>
    public async ValueTask<ListResult> ListAsync(ListRequest request, CancellationToken cancellationToken = default)
    {
        var ((entries, remaining), revision) = await ReadAtAsync(
            request.At, request, static (reader, request, revision) => List(reader, request, revision), cancellationToken)
            .ConfigureAwait(false);
        return new ListResult(entries, revision, remaining);
    }

    /// <inheritdoc/>
    public async ValueTask<CommitResult> CommitAsync(
        Transaction transaction, CancellationToken cancellationToken = default)
    {
        transaction.ThrowIfInvalid();
        var request = new CommitRequest(transaction, cancellationToken);
        await _writer.SubmitAsync(request, cancellationToken).ConfigureAwait(false);
        return request.Result ?? throw new OperationCanceledException(cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<WatchBatch> WatchAsync(
        string prefix, Revision after, CancellationToken cancellationToken = default) =>
        FollowAsync(prefix, after, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask CompactAsync(Revision revision, CancellationToken cancellationToken = default)
    {
        ThrowIfFuture(revision, _writer.Revision);
        await _compaction.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (revision.Value > _writer.Compacted)
            {
                await _writer.SubmitAsync(new CompactRequest(revision.Value), cancellationToken).ConfigureAwait(false);
                await DeleteSupersededAsync(revision.Value, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _compaction.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask<Revision> CurrentRevisionAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        var revision = new Revision(_writer.Revision);
        _feed.RequestProgress(revision);
        return ValueTask.FromResult(revision);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        _feed.Dispose();
        _readers.Dispose();
        await _writer.DisposeAsync().ConfigureAwait(false);
        _directoryLock.Dispose();
        _compaction.Dispose();
    }

    private static (List<StoredEntry> Entries, long Remaining) List(LogReader reader, in ListRequest request, long revision)
    {
        var start = request.Prefix;
        if (request.After is { } after && KeyOrder.Instance.Compare(after, start) >= 0)
        {
            start = KeyOrder.Successor(after);
        }

        var end = KeyOrder.PrefixEnd(request.Prefix);
        var entries = reader.List(start, end, revision, request.Limit);
        var remaining = request.Limit > 0 && entries.Count == request.Limit
            ? reader.Count(KeyOrder.Successor(entries[^1].Key), end, revision)
            : 0;
        return (entries, remaining);
    }

    private static void ThrowIfFuture(Revision requested, long current)
    {
        if (requested.Value > current)
        {
            throw new StoreFutureRevisionException(requested, new Revision(current));
        }
    }

    private async IAsyncEnumerable<WatchBatch> FollowAsync(
        string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A watch may start where the feed still remembers what the log was told to forget; what is compacted is compacted.
        ThrowIfCompacted(after.Value);
        await foreach (var batch in _feed.FollowAsync(prefix, after, cancellationToken).ConfigureAwait(false))
        {
            yield return batch;
        }
    }

    /// <summary>Reads the state at one revision.</summary>
    /// <remarks>The newest revision is taken before the read, so everything acknowledged until now is in it. Compaction says how far it will go
    /// before it deletes, so a read that was not told so afterwards has seen everything.</remarks>
    private async ValueTask<(T Result, Revision Revision)> ReadAtAsync<T, TState>(
        Revision? at, TState state, Func<LogReader, TState, long, T> read, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        while (true)
        {
            var current = _writer.Revision;
            var revision = at?.Value ?? current;
            ThrowIfFuture(new Revision(revision), current);
            ThrowIfCompacted(revision);
            var result = await _readers.ReadAsync(
                (state, revision, read),
                static (reader, s) => s.read(reader, s.state, s.revision),
                cancellationToken).ConfigureAwait(false);
            if (revision >= _writer.Compacted)
            {
                return (result, new Revision(revision));
            }

            // Else the newest revision of a moment ago has been compacted meanwhile: read the newest one of now. A given one throws above.
        }
    }

    private async IAsyncEnumerable<WatchBatch> ReadChangesAsync(
        string prefix, Revision after, Revision upTo, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var position = RowId.Last(after.Value);
        var end = RowId.Last(upTo.Value);
        for (var cursor = after.Value; cursor < upTo.Value;)
        {
            // Whole revisions only: the last one of a full page may go on in the next page. A revision has fewer rows than a page.
            var page = await _readers.ReadAsync(
                (position, end),
                static (reader, range) => reader.Changes(range.position, range.end, HistoryPage),
                cancellationToken).ConfigureAwait(false);
            ThrowIfCompacted(cursor);
            var isLast = page.Count < HistoryPage;
            cursor = isLast ? upTo.Value : RowId.Revision(page[^1].Id) - 1;
            position = RowId.Last(cursor);
            var events = page
                .Where(row => row.Id <= position && row.Change.Key.StartsWith(prefix, StringComparison.Ordinal))
                .Select(row => row.Change)
                .ToArray();
            yield return new WatchBatch(events, new Revision(cursor));
        }
    }

    private void ThrowIfCompacted(long revision)
    {
        if (revision < _writer.Compacted)
        {
            throw new StoreCompactedException(new Revision(_writer.Compacted));
        }
    }

    /// <summary>Deletes the rows that no readable revision shows: followed by another of the same key, or tombstones, up to a revision.</summary>
    /// <remarks>In the order of key and revision, so that a crash on the way never leaves an old value without the tombstone behind it.</remarks>
    private async ValueTask DeleteSupersededAsync(long revision, CancellationToken cancellationToken)
    {
        var (key, after) = ("", 0L);
        while (true)
        {
            var rows = await _readers.ReadAsync(
                (key, after, revision),
                static (reader, s) => reader.Versions(s.key, s.after, s.revision, CompactionChunk),
                cancellationToken).ConfigureAwait(false);
            var isLast = rows.Count < CompactionChunk;
            var superseded = new List<long>();
            for (var i = 0; i < rows.Count; i++)
            {
                var hasNext = i + 1 < rows.Count;
                if (hasNext ? rows[i].Key == rows[i + 1].Key || rows[i].Deleted : isLast && rows[i].Deleted)
                {
                    superseded.Add(rows[i].Id);
                }
            }

            if (superseded.Count > 0)
            {
                await _writer.SubmitAsync(new DeleteRowsRequest(superseded), cancellationToken).ConfigureAwait(false);
            }

            if (isLast)
            {
                return;
            }

            // Read the last one again: whether it is superseded depends on what comes behind it.
            (key, after) = (rows[^1].Key, rows[^1].Id - 1);
        }
    }
}
