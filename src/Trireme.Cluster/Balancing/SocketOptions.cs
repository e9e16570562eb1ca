using System.Net.Sockets;

namespace Trireme.Cluster.Balancing;

/// <summary>Socket options without which a dead peer goes unnoticed for a quarter of an hour.</summary>
internal static class SocketOptions
{
    private const int SolIp = 0;
    private const int IpFreebind = 15;
    private const int SolTcp = 6;
    private const int TcpUserTimeout = 18;

    /// <summary>
    /// Sent data that is not taken within this ends the connection. It must not be short: it also ends a peer that lives and reads slowly (a log that is being
    /// paged through). Servers that hang are found by probes, see <see cref="BackendProber"/>.
    /// </summary>
    private const int UserTimeoutMs = 60_000;

    /// <summary>Lets small writes go at once and notices a vanished peer of an idle connection within about ten seconds.</summary>
    public static void Tune(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 4);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 2);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        socket.SetRawSocketOption(SolTcp, TcpUserTimeout, BitConverter.GetBytes(UserTimeoutMs));
    }

    /// <summary>Lets the socket listen on an address that this machine does not have yet, such as a virtual IP that is elsewhere.</summary>
    public static void AllowForeignAddress(Socket socket) => socket.SetRawSocketOption(SolIp, IpFreebind, BitConverter.GetBytes(1));
}
