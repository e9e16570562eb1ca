using System.Threading.Channels;
using Microsoft.Data.Sqlite;
using Trireme.Storage.Watching;

namespace Trireme.Storage.Sqlite;

/// <summary>
/// The only writer: one thread that takes whatever callers have queued, applies it in one SQLite transaction and answers all of them after one
/// fsync. Each transaction of a caller is a revision of its own with an outcome of its own.
/// </summary>
internal sealed class LogWriter : IAsyncDisposable
{
    // Keys whose newest row is kept in mind, so that a key that is written again needs no lookup.
    private const int HeadsMax = 65_536;

    private readonly SqliteConnection _connection;
    private readonly string _path;
    private readonly int _maxBatch;
    private readonly ChangeFeed _feed;
    private readonly Channel<WriteRequest> _queue = Channel.CreateBounded<WriteRequest>(
        new BoundedChannelOptions(4096) { SingleReader = true });

    private readonly Task _loop;
    private readonly SqliteCommand _head;
    private readonly SqliteCommand _value;
    private readonly SqliteCommand _insert;
    private readonly SqliteCommand _delete;
    private readonly SqliteCommand _compact;

    // The loop's own. What the newest row of a key says, including rows of the batch in progress.
    private readonly Dictionary<string, Head> _heads = new(StringComparer.Ordinal);
    private readonly List<StoreEvent> _changes = [];
    private long _next;
    private long _nextCompacted;

    // Read by others: as of the last batch on disk.
    private long _revision;
    private long _compacted;

    public LogWriter(SqliteConnection connection, string path, long revision, long compacted, int maxBatch, ChangeFeed feed)
    {
        _connection = connection;
        _path = path;
        _maxBatch = maxBatch;
        _feed = feed;
        _next = _revision = revision;
        _nextCompacted = _compacted = compacted;
        _head = connection.Prepare(
            "SELECT id, create_rev, deleted FROM log WHERE key = $key ORDER BY id DESC LIMIT 1", "$key");
        _value = connection.Prepare("SELECT value FROM log WHERE id = $id", "$id");
        _insert = connection.Prepare(
            "INSERT INTO log (id, key, create_rev, deleted, value) VALUES ($id, $key, $create_rev, $deleted, $value)",
            "$id", "$key", "$create_rev", "$deleted", "$value");
        _delete = connection.Prepare("DELETE FROM log WHERE id = $id", "$id");
        _compact = connection.Prepare("UPDATE state SET value = $revision WHERE name = 'compacted'", "$revision");
        _loop = Task.Factory.StartNew(
            Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>The newest revision on disk. At least that of every commit that was acknowledged.</summary>
    public long Revision => Volatile.Read(ref _revision);

    /// <summary>History before this revision is gone, or about to be.</summary>
    public long Compacted => Volatile.Read(ref _compacted);

    /// <summary>Queues a request and waits until it is on disk. Cancellation ends the wait, not the request.</summary>
    public async ValueTask SubmitAsync(WriteRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await _queue.Writer.WriteAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(SqliteStore));
        }

        await request.Done.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Finishes what is queued and closes the file.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _loop.ConfigureAwait(false);
        _head.Dispose();
        _value.Dispose();
        _insert.Dispose();
        _delete.Dispose();
        _compact.Dispose();
        _connection.Dispose();
    }

    /// <summary>Applies a transaction to the batch in progress.</summary>
    internal CommitResult Commit(Transaction transaction)
    {
        foreach (var condition in transaction.Conditions)
        {
            if (FindHead(condition.Key).ModRevision != condition.ModRevision.Value)
            {
                return new CommitResult(
                    false, new Revision(_next), transaction.Conditions.Select(c => ReadEntry(c.Key)).ToArray());
            }
        }

        var revision = _next + 1;
        var sequence = 0;
        foreach (var operation in transaction.Operations)
        {
            var head = FindHead(operation.Key);
            if (operation.Value is null && head.IsAbsent)
            {
                continue;
            }

            var created = head.IsAbsent ? revision : head.CreateRevision;
            var id = RowId.Of(revision, sequence++);
            Insert(id, operation, created);
            _heads[operation.Key] = new Head(id, created, operation.Value is null);
            var entry = operation.Value is { } value
                ? new StoredEntry(operation.Key, value, new Revision(created), new Revision(revision))
                : null;
            _changes.Add(new StoreEvent(operation.Key, entry, new Revision(revision)));
        }

        _next = sequence > 0 ? revision : _next;
        return new CommitResult(true, new Revision(_next), []);
    }

    internal void SetCompacted(long revision)
    {
        if (revision > _nextCompacted)
        {
            _compact.Set(0, revision);
            _compact.ExecuteNonQuery();
            _nextCompacted = revision;
        }
    }

    internal void DeleteRows(IReadOnlyList<long> ids)
    {
        foreach (var id in ids)
        {
            _delete.Set(0, id);
            _delete.ExecuteNonQuery();
        }
    }

    private void Run()
    {
        var batch = new List<WriteRequest>(_maxBatch);
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            batch.Clear();
            while (batch.Count < _maxBatch && _queue.Reader.TryRead(out var request))
            {
                batch.Add(request);
            }

            try
            {
                WriteBatch(batch);
            }
#pragma warning disable CA1031 // Whatever happens to one batch, its callers must hear of it and the next batch must be tried.
            catch (Exception e)
#pragma warning restore CA1031
            {
                foreach (var request in batch)
                {
                    request.Fail(e);
                }
            }
        }
    }

    private void WriteBatch(List<WriteRequest> batch)
    {
        var committing = false;
        try
        {
            using var transaction = _connection.BeginTransaction(deferred: false);
            foreach (var command in (ReadOnlySpan<SqliteCommand>)[_head, _value, _insert, _delete, _compact])
            {
                command.Transaction = transaction;
            }

            foreach (var request in batch)
            {
                request.Apply(this);
            }

            committing = true;
            transaction.Commit();
        }
        catch (Exception e)
        {
            // Rolled back by now. If the commit itself failed its frames may be in the log file, and count after a crash.
            _next = Revision;
            _nextCompacted = Compacted;
            _heads.Clear();
            _changes.Clear();
            throw e is SqliteException sqlite ? SqliteErrors.Translate(sqlite, _path, mayHaveApplied: committing) : e;
        }

        Acknowledge(batch);
    }

    private void Acknowledge(List<WriteRequest> batch)
    {
        Volatile.Write(ref _compacted, _nextCompacted);
        Volatile.Write(ref _revision, _next);
        if (_changes.Count > 0)
        {
            // Before the callers are answered, so that a watcher is never behind what was acknowledged.
            _feed.Publish(_changes, new Revision(_next));
            _changes.Clear();
        }

        if (_heads.Count > HeadsMax)
        {
            _heads.Clear();
        }

        foreach (var request in batch)
        {
            request.Complete();
        }
    }

    private Head FindHead(string key)
    {
        if (_heads.TryGetValue(key, out var head))
        {
            return head;
        }

        _head.Set(0, key);
        using (var row = _head.ExecuteReader())
        {
            head = row.Read() ? new Head(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2) != 0) : default;
        }

        _heads[key] = head;
        return head;
    }

    private StoredEntry? ReadEntry(string key)
    {
        var head = FindHead(key);
        if (head.IsAbsent)
        {
            return null;
        }

        _value.Set(0, head.Id);
        var value = (byte[])_value.ExecuteScalar()!;
        return new StoredEntry(key, value, new Revision(head.CreateRevision), new Revision(head.ModRevision));
    }

    private void Insert(long id, in Operation operation, long created)
    {
        _insert.Set(0, id);
        _insert.Set(1, operation.Key);
        _insert.Set(2, created);
        _insert.Set(3, operation.Value is null ? 1L : 0L);
        _insert.SetBytes(4, operation.Value);
        _insert.ExecuteNonQuery();
    }

    /// <summary>The newest row of a key; default when it never had one.</summary>
    private readonly record struct Head(long Id, long CreateRevision, bool Deleted)
    {
        public bool IsAbsent => Deleted || Id == 0;

        public long ModRevision => IsAbsent ? 0 : RowId.Revision(Id);
    }
}
