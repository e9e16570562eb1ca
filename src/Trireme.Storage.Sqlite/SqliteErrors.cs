using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Trireme.Storage.Sqlite;

/// <summary>SQLite's result codes in the words of the store contract.</summary>
internal static class SqliteErrors
{
    /// <param name="exception">What SQLite reported.</param>
    /// <param name="path">The database file.</param>
    /// <param name="mayHaveApplied">Whether a write may be on disk nevertheless.</param>
    public static Exception Translate(SqliteException exception, string path, bool mayHaveApplied = false) =>
        exception.SqliteErrorCode switch
        {
            raw.SQLITE_CORRUPT => Corrupt(path, exception),
            raw.SQLITE_NOTADB => new StoreCorruptException(
                $"File {path} is not a database: move it away, or choose another data directory", exception),
            raw.SQLITE_TOOBIG => new StoreRequestTooLargeException("Value is larger than the store accepts", exception),
            raw.SQLITE_FULL => new StoreUnavailableException(
                $"Disk is full, no write is possible to {path}: free some space", mayHaveApplied, exception),
            _ => new StoreUnavailableException($"Store {path} failed: {exception.Message}", mayHaveApplied, exception),
        };

    public static StoreCorruptException Corrupt(string path, Exception? inner = null) =>
        new($"File {path} is damaged: restore it from a backup, or move it and its -wal file away to start empty", inner);
}
