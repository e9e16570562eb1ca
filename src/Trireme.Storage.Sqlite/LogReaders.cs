using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace Trireme.Storage.Sqlite;

/// <summary>A small pool of read connections. WAL lets them read a consistent state while the writer writes.</summary>
internal sealed class LogReaders : IDisposable
{
    private readonly Channel<LogReader> _idle;
    private readonly string _path;

    /// <exception cref="StoreUnavailableException">The file cannot be opened.</exception>
    /// <exception cref="StoreCorruptException">The file is damaged.</exception>
    public LogReaders(string path, int size)
    {
        _path = path;
        _idle = Channel.CreateBounded<LogReader>(size);
        try
        {
            for (var i = 0; i < size; i++)
            {
                _idle.Writer.TryWrite(LogReader.Open(path));
            }
        }
        catch (SqliteException e)
        {
            Dispose();
            throw SqliteErrors.Translate(e, path);
        }
    }

    /// <summary>Runs a read on a free connection, waiting for one if need be.</summary>
    public async ValueTask<T> ReadAsync<T, TState>(
        TState state, Func<LogReader, TState, T> read, CancellationToken cancellationToken)
    {
        LogReader reader;
        try
        {
            reader = await _idle.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(SqliteStore));
        }

        try
        {
            return read(reader, state);
        }
        catch (SqliteException e)
        {
            throw SqliteErrors.Translate(e, _path);
        }
        finally
        {
            if (!_idle.Writer.TryWrite(reader))
            {
                reader.Dispose();
            }
        }
    }

    public void Dispose()
    {
        // Those in use are disposed when they come back.
        _idle.Writer.TryComplete();
        while (_idle.Reader.TryRead(out var reader))
        {
            reader.Dispose();
        }
    }
}
