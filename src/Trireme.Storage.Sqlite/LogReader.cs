using Microsoft.Data.Sqlite;

namespace Trireme.Storage.Sqlite;

/// <summary>One read connection with its prepared statements. Used by one caller at a time, lent out by <see cref="LogReaders"/>.</summary>
internal sealed class LogReader : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _get;
    private readonly SqliteCommand _list;
    private readonly SqliteCommand _count;
    private readonly SqliteCommand _changes;
    private readonly SqliteCommand _versions;

    /// <param name="connection">Is this reader's from here on.</param>
    private LogReader(SqliteConnection connection)
    {
        _connection = connection;
        _get = _connection.Prepare(
            "SELECT id, create_rev, deleted, value FROM log WHERE key = $key AND id <= $last ORDER BY id DESC LIMIT 1",
            "$key", "$last");

        // max() makes SQLite take the other columns of a group from the same row. The inner query walks the index in key order and, because of
        // CROSS JOIN, drives the loop: the answer is in key order without sorting values.
        _list = _connection.Prepare(
            """
            SELECT l.key, l.id, l.create_rev, l.value FROM (
              SELECT max(id) AS id, deleted FROM log WHERE key >= $start AND key < $end AND id <= $last GROUP BY key) AS newest
            CROSS JOIN log AS l ON l.id = newest.id WHERE newest.deleted = 0 LIMIT $limit
            """,
            "$start", "$end", "$last", "$limit");
        _count = _connection.Prepare(
            """
            SELECT count(*) FROM (
              SELECT max(id), deleted FROM log WHERE key >= $start AND key < $end AND id <= $last GROUP BY key) WHERE deleted = 0
            """,
            "$start", "$end", "$last");
        _changes = _connection.Prepare(
            "SELECT id, key, create_rev, deleted, value FROM log WHERE id > $after AND id <= $last ORDER BY id LIMIT $limit",
            "$after", "$last", "$limit");
        _versions = _connection.Prepare(
            """
            SELECT key, id, deleted FROM log WHERE (key > $key OR (key = $key AND id > $after)) AND key >= $key AND id <= $last
            ORDER BY key, id LIMIT $limit
            """,
            "$key", "$after", "$last", "$limit");
    }

    public static LogReader Open(string path)
    {
        var connection = LogFile.OpenReader(path);
        try
        {
            return new LogReader(connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public StoredEntry? Get(string key, long revision)
    {
        _get.Set(0, key);
        _get.Set(1, RowId.Last(revision));
        using var row = _get.ExecuteReader();
        return row.Read() && row.GetInt64(2) == 0 ? Entry(key, row.GetInt64(0), row.GetInt64(1), row, 3) : null;
    }

    /// <param name="start">First key.</param>
    /// <param name="end">Key behind the last one, or null for no bound.</param>
    /// <param name="revision">State at this revision.</param>
    /// <param name="limit">Most entries; 0 for all.</param>
    public List<StoredEntry> List(string start, string? end, long revision, int limit)
    {
        _list.Set(0, start);
        _list.SetEnd(1, end);
        _list.Set(2, RowId.Last(revision));
        _list.Set(3, limit > 0 ? limit : -1);
        var entries = new List<StoredEntry>();
        using var row = _list.ExecuteReader();
        while (row.Read())
        {
            entries.Add(Entry(row.GetString(0), row.GetInt64(1), row.GetInt64(2), row, 3));
        }

        return entries;
    }

    public long Count(string start, string? end, long revision)
    {
        _count.Set(0, start);
        _count.SetEnd(1, end);
        _count.Set(2, RowId.Last(revision));
        return (long)_count.ExecuteScalar()!;
    }

    /// <summary>Changes with a row id in (after, last], at most <paramref name="limit"/>; also those of other prefixes.</summary>
    public List<(long Id, StoreEvent Change)> Changes(long after, long last, int limit)
    {
        _changes.Set(0, after);
        _changes.Set(1, last);
        _changes.Set(2, limit);
        var changes = new List<(long, StoreEvent)>();
        using var row = _changes.ExecuteReader();
        while (row.Read())
        {
            var id = row.GetInt64(0);
            var key = row.GetString(1);
            var entry = row.GetInt64(3) == 0 ? Entry(key, id, row.GetInt64(2), row, 4) : null;
            changes.Add((id, new StoreEvent(key, entry, new Revision(RowId.Revision(id)))));
        }

        return changes;
    }

    /// <summary>Rows behind a position in the order of key and revision, up to a revision: for compaction.</summary>
    public List<(string Key, long Id, bool Deleted)> Versions(string key, long after, long revision, int limit)
    {
        _versions.Set(0, key);
        _versions.Set(1, after);
        _versions.Set(2, RowId.Last(revision));
        _versions.Set(3, limit);
        var versions = new List<(string, long, bool)>();
        using var row = _versions.ExecuteReader();
        while (row.Read())
        {
            versions.Add((row.GetString(0), row.GetInt64(1), row.GetInt64(2) != 0));
        }

        return versions;
    }

    public void Dispose()
    {
        _get.Dispose();
        _list.Dispose();
        _count.Dispose();
        _changes.Dispose();
        _versions.Dispose();
        _connection.Dispose();
    }

    private static StoredEntry Entry(string key, long id, long created, SqliteDataReader row, int value) =>
        new(key, row.GetFieldValue<byte[]>(value), new Revision(created), new Revision(RowId.Revision(id)));
}
