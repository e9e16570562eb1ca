using System.Buffers;
using System.Net.Sockets;
using Trireme.Component.Lifetime;

namespace Trireme.Cluster.Balancing;

/// <summary>A client's connection and the one to a server, with bytes copied both ways until either ends.</summary>
/// <remarks>One that was there before this process was halted ends: a request that waited in it must not reach a server when its client has gone on without an answer.</remarks>
internal sealed class BalancedConnection(Socket client, Socket server, HaltWatch watch) : IDisposable
{
    // Large enough that a big list is copied in few system calls. Held only while bytes flow: an idle watch holds no buffer.
    private const int BufferSize = 128 * 1024;

    private readonly int _halts = watch.Halts;

    /// <summary>Copies until both directions have ended or one has failed.</summary>
    public async Task CopyAsync()
    {
        var up = CopyAsync(client, server);
        var down = CopyAsync(server, client);
        await Task.WhenAll(up, down);
    }

    /// <summary>Cuts both connections.</summary>
    public void Abort()
    {
        // Reset, not an orderly end: half an answer must not look like a whole one.
        Reset(client);
        Reset(server);
    }

    public void Dispose()
    {
        client.Dispose();
        server.Dispose();
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        try
        {
            while (true)
            {
                await from.ReceiveAsync(Memory<byte>.Empty); // completes when there is something to read
                var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
                try
                {
                    do
                    {
                        var received = await from.ReceiveAsync(buffer);
                        if (watch.Halts != _halts)
                        {
                            Abort();
                            return;
                        }

                        if (received == 0)
                        {
                            to.Shutdown(SocketShutdown.Send);
                            return;
                        }

                        await SendAllAsync(to, buffer.AsMemory(0, received));
                    }
                    while (from.Available > 0);
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Abort();
        }
    }

    private static async ValueTask SendAllAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var sent = await to.SendAsync(bytes);
            bytes = bytes[sent..];
        }
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has ended already.
        }

        socket.Dispose();
    }
}
