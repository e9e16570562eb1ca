using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using Trireme.Primitives;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Body of an answer: bytes are copied into the connection's own buffers, compressed on the way if wanted, and sent about every 256 KB.
/// </summary>
/// <remarks>Awaiting each flush is what gives back-pressure: without it a large list would pile up in the server's memory.</remarks>
internal sealed class ResponseBody : IAsyncDisposable
{
    private const int FlushBytes = 256 * 1024;

    private readonly PipeWriter _writer;
    private readonly GZipStream? _gzip;
    private readonly CancellationToken _cancelled;
    private long _unflushed;

    /// <param name="writer">The connection.</param>
    /// <param name="compress">Whether what is written is compressed.</param>
    /// <param name="cancelled">Ends the request: what is left then is not sent, since a client that reads nothing would be waited for.</param>
    public ResponseBody(PipeWriter writer, bool compress, CancellationToken cancelled)
    {
        _writer = writer;
        _cancelled = cancelled;
        _gzip = compress ? new GZipStream(new Sink(this), CompressionLevel.Fastest) : null;
    }

    /// <summary>Copies bytes; sends nothing yet.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_gzip is null)
        {
            Append(bytes);
        }
        else
        {
            _gzip.Write(bytes);
        }
    }

    /// <summary>Sends what has been written if it has become much.</summary>
    /// <returns>False when the client is gone.</returns>
    public ValueTask<bool> FlushIfDueAsync(CancellationToken cancellationToken) =>
        _unflushed < FlushBytes ? ValueTask.FromResult(true) : FlushAsync(cancellationToken);

    /// <summary>Sends what has been written.</summary>
    /// <returns>False when the client is gone.</returns>
    public async ValueTask<bool> FlushAsync(CancellationToken cancellationToken)
    {
        _unflushed = 0;
        var result = await _writer.FlushAsync(cancellationToken);
        return !result.IsCompleted && !result.IsCanceled;
    }

    public async ValueTask DisposeAsync()
    {
        if (_gzip is not null)
        {
            await _gzip.DisposeAsync();
        }

        // Over HTTP/1.1 the server sends what is left only when it is told to: without this a client would wait for the end of a list for minutes.
        await FlushAsync(_cancelled);
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        _writer.Write(bytes);
        _unflushed += bytes.Length;
    }

    /// <summary>Where the compressor puts its output.</summary>
    private sealed class Sink(ResponseBody body) : WriteOnlyStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => body.Append(buffer);
    }
}
