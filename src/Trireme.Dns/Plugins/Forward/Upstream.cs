using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Trireme.Dns.Plugins.Forward;

/// <summary>Asks one server.</summary>
internal interface IUpstream
{
    IPEndPoint Server { get; }

    /// <summary>Sends the query and returns the answer that fits it.</summary>
    /// <param name="query">A whole message with an id of its own.</param>
    /// <param name="useTcp">Over TCP, which takes answers of any length.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SocketException">The server cannot be reached.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    Task<byte[]> ExchangeAsync(ReadOnlyMemory<byte> query, bool useTcp, CancellationToken cancellationToken);
}

/// <inheritdoc cref="IUpstream"/>
/// <remarks>A socket per query: the kernel picks a random port for each and drops what comes from elsewhere, which together with the random id keeps forged answers out (RFC 5452).</remarks>
internal sealed class Upstream(IPEndPoint server) : IUpstream
{
    private const int MaxUdpAnswer = 4096;

    public IPEndPoint Server { get; } = server;

    public Task<byte[]> ExchangeAsync(ReadOnlyMemory<byte> query, bool useTcp, CancellationToken cancellationToken) =>
        useTcp ? TcpAsync(query, cancellationToken) : UdpAsync(query, cancellationToken);

    /// <summary>Whether an answer belongs to a query: same id, same question.</summary>
    public static bool Fits(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> query, int questionEnd) =>
        answer.Length >= questionEnd
        && (answer[2] & 0x80) != 0
        && answer[..2].SequenceEqual(query[..2])
        && System.Text.Ascii.EqualsIgnoreCase(answer[12..questionEnd], query[12..questionEnd]);

    private static int QuestionEnd(ReadOnlySpan<byte> query)
    {
        var at = 12;
        while (query[at] != 0)
        {
            at += query[at] + 1;
        }

        return at + 5;
    }

    private async Task<byte[]> UdpAsync(ReadOnlyMemory<byte> query, CancellationToken cancellationToken)
    {
        using var socket = new Socket(Server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(Server, cancellationToken);
        await socket.SendAsync(query, SocketFlags.None, cancellationToken);
        var buffer = new byte[MaxUdpAnswer];
        var end = QuestionEnd(query.Span);
        while (true)
        {
            var length = await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);
            if (Fits(buffer.AsSpan(0, length), query.Span, end))
            {
                return buffer[..length];
            }
        }
    }

    private async Task<byte[]> TcpAsync(ReadOnlyMemory<byte> query, CancellationToken cancellationToken)
    {
        using var socket = new Socket(Server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(Server, cancellationToken);
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        var framed = new byte[query.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)query.Length);
        query.CopyTo(framed.AsMemory(2));
        await stream.WriteAsync(framed, cancellationToken);
        var prefix = new byte[2];
        await stream.ReadExactlyAsync(prefix, cancellationToken);
        var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
        await stream.ReadExactlyAsync(answer, cancellationToken);
        return Fits(answer, query.Span, QuestionEnd(query.Span)) ? answer : throw new IOException($"Server {Server} answered another question");
    }
}
