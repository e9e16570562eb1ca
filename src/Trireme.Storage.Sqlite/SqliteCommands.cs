using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace Trireme.Storage.Sqlite;

/// <summary>Short forms for statements and for the values they take.</summary>
internal static class SqliteCommands
{
    /// <summary>Greater than every text, as SQLite orders every blob behind every text.</summary>
    private static readonly object s_endOfKeys = Array.Empty<byte>();

    public static void Execute(this SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static long Scalar(this SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    /// <summary>A statement that is compiled once; its parameters are set by position.</summary>
    public static SqliteCommand Prepare(this SqliteConnection connection, string sql, params ReadOnlySpan<string> parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var name in parameters)
        {
            command.Parameters.Add(new SqliteParameter { ParameterName = name });
        }

        return command;
    }

    public static void Set(this SqliteCommand command, int index, object value) => command.Parameters[index].Value = value;

    public static void SetEnd(this SqliteCommand command, int index, string? key) => command.Set(index, key ?? s_endOfKeys);

    /// <summary>Binds bytes without copying them where they are the beginning of an array.</summary>
    public static void SetBytes(this SqliteCommand command, int index, ReadOnlyMemory<byte>? value)
    {
        var parameter = command.Parameters[index];
        if (value is not { } bytes)
        {
            parameter.Value = DBNull.Value;
            return;
        }

        var isWhole = MemoryMarshal.TryGetArray(bytes, out var segment) && segment.Offset == 0;
        parameter.Value = isWhole ? segment.Array : bytes.ToArray();
        parameter.Size = bytes.Length;
    }
}
