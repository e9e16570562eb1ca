using Microsoft.Data.Sqlite;

namespace Trireme.Storage.Sqlite;

/// <summary>
/// The database file: one append-only table of changes, an index that answers "newest row of each key at a revision" without touching values, and
/// how far history was compacted.
/// </summary>
/// <remarks>The row id is <see cref="RowId"/>. Durable once committed: WAL with synchronous=FULL, which costs nothing under group commit.</remarks>
internal static class LogFile
{
    // "Trir" in ASCII: marks the file as ours in the header, see https://www.sqlite.org/pragma.html#pragma_application_id.
    private const int ApplicationId = 0x54726972;
    private const int FormatVersion = 1;

    // Damage in a file of this size is found in well under a second at start; in a larger one when the page is read.
    private const long QuickCheckBytesMax = 64 << 20;

    private const string Schema = """
        CREATE TABLE log (
          id INTEGER PRIMARY KEY,
          key TEXT NOT NULL,
          create_rev INTEGER NOT NULL,
          deleted INTEGER NOT NULL,
          value BLOB);
        CREATE UNIQUE INDEX log_key ON log (key, id, deleted);
        CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO state VALUES ('compacted', 0);
        """;

    /// <summary>Opens the file for the writer, creating it if it does not exist.</summary>
    /// <returns>The writer's connection, the newest revision, and how far history was compacted.</returns>
    /// <exception cref="StoreCorruptException">The file is damaged, of another program, or of a newer version.</exception>
    public static (SqliteConnection Writer, long Revision, long Compacted) OpenWriter(string path)
    {
        SqliteConnection? connection = null;
        try
        {
            connection = Open(path, SqliteOpenMode.ReadWriteCreate);
            Prepare(connection, path);
            var compacted = connection.Scalar("SELECT value FROM state WHERE name = 'compacted'");

            // A compacted tombstone may have been the last row: its revision must not be used again.
            var revision = RowId.Revision(connection.Scalar("SELECT coalesce(max(id), 0) FROM log"));
            return (connection, Math.Max(1, Math.Max(revision, compacted)), compacted);
        }
        catch (SqliteException e)
        {
            connection?.Dispose();
            throw SqliteErrors.Translate(e, path);
        }
        catch (StoreCorruptException)
        {
            connection?.Dispose();
            throw;
        }
    }

    /// <summary>Opens the file, which exists, for reading only.</summary>
    public static SqliteConnection OpenReader(string path)
    {
        var connection = Open(path, SqliteOpenMode.ReadWrite);
        connection.Execute("PRAGMA query_only = 1");
        return connection;
    }

    private static SqliteConnection Open(string path, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = mode,
            Pooling = false,
        }.ToString());
        try
        {
            connection.Open();
            connection.Execute("PRAGMA mmap_size = 268435456; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static void Prepare(SqliteConnection connection, string path)
    {
        var isNew = connection.Scalar("SELECT count(*) FROM sqlite_master") == 0
            && connection.Scalar("PRAGMA application_id") == 0;
        if (isNew)
        {
            connection.Execute("PRAGMA page_size = 8192");
        }
        else
        {
            Inspect(connection, path);
        }

        connection.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000");
        if (isNew)
        {
            connection.Execute(
                $"BEGIN; {Schema} PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {FormatVersion}; COMMIT");
        }
    }

    private static void Inspect(SqliteConnection connection, string path)
    {
        if (connection.Scalar("PRAGMA application_id") != ApplicationId)
        {
            throw new StoreCorruptException(
                $"File {path} is a database of another program: move it away, or choose another data directory");
        }

        if (connection.Scalar("PRAGMA user_version") is var version && version != FormatVersion)
        {
            throw new StoreCorruptException(
                $"File {path} has format version {version}, this program reads {FormatVersion}: use the program that wrote it");
        }

        if (new FileInfo(path).Length <= QuickCheckBytesMax)
        {
            using var check = connection.CreateCommand();
            check.CommandText = "PRAGMA quick_check(1)";
            if (check.ExecuteScalar() is not "ok")
            {
                throw SqliteErrors.Corrupt(path);
            }
        }
    }
}
