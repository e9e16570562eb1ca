using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;

namespace Trireme.Kubelet.Streaming;

/// <summary>The client's end of a SPDY/3.1 connection, as far as a container runtime's streaming server needs it: open streams, send, receive, close.</summary>
/// <remarks>
/// Runtimes of today half-close standard input only over SPDY, so that <c>echo x | kubectl exec -i pod -- cat</c> ends. Header blocks are sent in
/// stored (uncompressed) blocks of a zlib stream, which every receiver reads, and received ones are skipped, as nothing in them matters here. Like
/// the runtimes' servers it ignores flow control windows; back-pressure is TCP's.
/// Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
/// </remarks>
internal sealed class SpdyClient(Stream transport) : IAsyncDisposable
{
    private const int HeaderSize = 8;
    private const int MaxFrame = 32 * 1024;
    private const byte Fin = 0x01;
    private const ushort SynStream = 1;
    private const ushort RstStream = 3;
    private const ushort Ping = 6;
    private const ushort GoAway = 7;

    private readonly ConcurrentDictionary<int, Channel<ReadOnlyMemory<byte>>> _incoming = new();
    private readonly SemaphoreSlim _writing = new(1);
    private int _nextStream = 1;
    private bool _zlibBegun;

    /// <summary>Opens a stream with these headers.</summary>
    /// <returns>Its number, for the other calls.</returns>
    public async Task<int> OpenAsync(IReadOnlyList<KeyValuePair<string, string>> headers, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            var stream = _nextStream;
            _nextStream += 2;

            // A small bound makes a reader that lags hold up the connection instead of filling memory.
            _incoming[stream] = Channel.CreateBounded<ReadOnlyMemory<byte>>(16);
            var block = HeaderBlock(headers);
            var frame = new byte[HeaderSize + 10 + block.Length];
            WriteControlHeader(frame, SynStream, 10 + block.Length);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(8), stream);
            block.CopyTo(frame.AsSpan(18));
            await transport.WriteAsync(frame, cancellationToken);
            return stream;
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Sends data on a stream.</summary>
    public async Task SendAsync(int stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (data.Length > MaxFrame)
        {
            await SendFrameAsync(stream, data[..MaxFrame], 0, cancellationToken);
            data = data[MaxFrame..];
        }

        await SendFrameAsync(stream, data, 0, cancellationToken);
    }

    /// <summary>Says that nothing more will be sent on a stream.</summary>
    public Task CloseSendAsync(int stream, CancellationToken cancellationToken) => SendFrameAsync(stream, default, Fin, cancellationToken);

    /// <summary>What arrives on a stream until the other end closes it.</summary>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAllAsync(int stream, CancellationToken cancellationToken) =>
        _incoming[stream].Reader.ReadAllAsync(cancellationToken);

    /// <summary>Receives frames until the connection ends; every stream ends then.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            var header = new byte[HeaderSize];
            while (await transport.ReadAtLeastAsync(header, HeaderSize, throwOnEndOfStream: false, cancellationToken) == HeaderSize)
            {
                var length = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4)) & 0xffffff;
                var payload = new byte[length];
                await transport.ReadExactlyAsync(payload, cancellationToken);
                if ((header[0] & 0x80) == 0)
                {
                    await ReceiveDataAsync(BinaryPrimitives.ReadInt32BigEndian(header) & 0x7fffffff, header[4], payload, cancellationToken);
                }
                else if (!await ReceiveControlAsync(BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(2)), header, payload, cancellationToken))
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The other end went away, which ends every stream as an orderly end does; the error stream tells the client what happened.
        }
        finally
        {
            foreach (var channel in _incoming.Values)
            {
                channel.Writer.TryComplete();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await transport.DisposeAsync();
        _writing.Dispose();
    }

    private async Task ReceiveDataAsync(int stream, byte flags, byte[] payload, CancellationToken cancellationToken)
    {
        if (!_incoming.TryGetValue(stream, out var channel))
        {
            return;
        }

        if (payload.Length > 0)
        {
            try
            {
                await channel.Writer.WriteAsync(payload, cancellationToken);
            }
            catch (ChannelClosedException)
            {
                // The stream was reset; what was still under way is lost with it.
            }
        }

        if ((flags & Fin) != 0)
        {
            channel.Writer.TryComplete();
        }
    }

    private async Task<bool> ReceiveControlAsync(ushort type, byte[] header, byte[] payload, CancellationToken cancellationToken)
    {
        switch (type)
        {
            case RstStream when payload.Length >= 4:
                if (_incoming.TryGetValue(BinaryPrimitives.ReadInt32BigEndian(payload) & 0x7fffffff, out var channel))
                {
                    channel.Writer.TryComplete();
                }

                return true;
            case Ping:
                await SendRawAsync((byte[])[.. header, .. payload], cancellationToken);
                return true;
            case GoAway:
                return false;
            default:
                // Replies, settings and window updates carry nothing that matters here.
                return true;
        }
    }

    private async Task SendFrameAsync(int stream, ReadOnlyMemory<byte> data, byte flags, CancellationToken cancellationToken)
    {
        var length = HeaderSize + data.Length;
        var frame = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            BinaryPrimitives.WriteInt32BigEndian(frame, stream);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), data.Length);
            frame[4] = flags;
            data.CopyTo(frame.AsMemory(HeaderSize));
            await SendRawAsync(frame.AsMemory(0, length), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    private async Task SendRawAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await transport.WriteAsync(frame, cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    private static void WriteControlHeader(Span<byte> frame, ushort type, int length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(frame, 0x8003);
        BinaryPrimitives.WriteUInt16BigEndian(frame[2..], type);
        BinaryPrimitives.WriteInt32BigEndian(frame[4..], length);
    }

    // One zlib stream spans all header blocks of a connection: its two-byte header stands before the first only. 0x78 0x01 names no dictionary.
    private byte[] HeaderBlock(IReadOnlyList<KeyValuePair<string, string>> headers)
    {
        var plain = new ArrayBufferWriter<byte>();
        WriteInt32(plain, headers.Count);
        foreach (var (name, value) in headers)
        {
            WriteText(plain, name);
            WriteText(plain, value);
        }

        var block = new ArrayBufferWriter<byte>();
        if (!_zlibBegun)
        {
            block.Write<byte>([0x78, 0x01]);
            _zlibBegun = true;
        }

        // A stored block: not the last, its length, and the complement of that. Headers here are far below its limit of 64 KiB.
        var length = (ushort)plain.WrittenCount;
        var stored = block.GetSpan(5);
        stored[0] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(stored[1..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(stored[3..], (ushort)~length);
        block.Advance(5);
        block.Write(plain.WrittenSpan);

        // An empty stored block, as a zlib sync flush writes it: some readers hand out what they have only when they meet one.
        block.Write<byte>([0x00, 0x00, 0x00, 0xff, 0xff]);
        return block.WrittenSpan.ToArray();
    }

    private static void WriteText(ArrayBufferWriter<byte> writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        WriteInt32(writer, bytes.Length);
        writer.Write(bytes);
    }

    private static void WriteInt32(ArrayBufferWriter<byte> writer, int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(writer.GetSpan(4), value);
        writer.Advance(4);
    }
}
