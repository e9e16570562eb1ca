using System.Buffers;
using System.Net;
using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Models;

namespace Trireme.Client.Transport;

/// <summary>Splits a watch response into its events: one JSON object per line, parsed in place.</summary>
internal sealed class WatchStream<T>(Stream stream, Action<UnreadableObject>? unreadable) : IDisposable
    where T : class, IKubernetesObject<T>
{
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(32768);
    private int _start;
    private int _end;

    // Up to here the rest of the buffer is known to hold no line end.
    private int _scanned;

    /// <summary>The next event; null when the server ended the watch in an orderly way.</summary>
    /// <exception cref="ApiException">The server sent an ERROR event, most often 410.</exception>
    /// <exception cref="ApiUnavailableException">The connection broke.</exception>
    public async ValueTask<WatchEvent<T>?> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var newline = _buffer.AsSpan(_scanned, _end - _scanned).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                var line = _buffer.AsSpan(_start, _scanned + newline - _start);
                _start = _scanned = _scanned + newline + 1;
                if (line.TrimEnd((byte)'\r').Length > 0 && Parse(line) is { } next)
                {
                    return next;
                }

                continue;
            }

            _scanned = _end;
            MakeRoom();
            int read;
            try
            {
                read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                throw new ApiUnavailableException($"Watch of {T.Resource.Plural} broke: {e.Message}", e);
            }

            if (read == 0)
            {
                // A last line without its end is a torn event: the next watch brings it again.
                return null;
            }

            _end += read;
        }
    }

    public void Dispose()
    {
        var buffer = Interlocked.Exchange(ref _buffer, []);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>The event of a line; null if its object cannot be read, which is told.</summary>
    private WatchEvent<T>? Parse(ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = JsonDepth.Read });
        WatchEventType? type = null;
        var error = false;
        ReadOnlySpan<byte> body = default;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isType = reader.ValueTextEquals("type"u8);
            var isObject = reader.ValueTextEquals("object"u8);
            reader.Read();
            if (isType)
            {
                error = reader.ValueTextEquals("ERROR"u8);
                type = reader.ValueTextEquals("ADDED"u8) ? WatchEventType.Added
                    : reader.ValueTextEquals("MODIFIED"u8) ? WatchEventType.Modified
                    : reader.ValueTextEquals("DELETED"u8) ? WatchEventType.Deleted
                    : reader.ValueTextEquals("BOOKMARK"u8) ? WatchEventType.Bookmark
                    : null;
            }
            else
            {
                var start = (int)reader.TokenStartIndex;
                reader.Skip();
                if (isObject)
                {
                    body = line[start..(int)reader.BytesConsumed];
                }
            }
        }

        if (error)
        {
            var status = ApiException.From(HttpStatusCode.InternalServerError, body);
            throw status.Status.Code > 0 ? new ApiException((HttpStatusCode)status.Status.Code, status.Status) : status;
        }

        if (type is not { } known || body.IsEmpty)
        {
            throw new JsonException($"Watch of {T.Resource.Plural} sent an event of unknown type");
        }

        return LenientReader.ReadObject<T>(body, known, unreadable) is { } obj ? new WatchEvent<T>(known, obj) : null;
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _scanned -= _start;
            _start = 0;
        }

        if (_end == _buffer.Length)
        {
            var bigger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            _buffer.AsSpan(0, _end).CopyTo(bigger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = bigger;
        }
    }
}
