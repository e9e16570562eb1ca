using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Trireme.Dns.Transport;

/// <summary>Answers over TCP (RFC 7766): any number of queries per connection, one after another.</summary>
internal sealed partial class TcpServer : IDisposable
{
    private const int MaxConnections = 500;
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(10);

    private readonly Socket _listener;
    private readonly QueryHandler _handler;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<Task, byte> _connections = new();

    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public TcpServer(IPEndPoint address, QueryHandler handler, TimeProvider timeProvider, ILogger logger)
    {
        (_handler, _time, _logger) = (handler, timeProvider, logger);
        _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (address.Address.Equals(IPAddress.IPv6Any))
            {
                _listener.DualMode = true;
            }

            _listener.Bind(address);
            _listener.Listen(128);
        }
        catch
        {
            _listener.Dispose();
            throw;
        }
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>Answers until cancelled, then waits for the connections to end.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptAsync(cancellationToken);
                if (_connections.Count >= MaxConnections)
                {
                    socket.Dispose();
                    continue;
                }

                var connection = ServeAsync(socket, cancellationToken);
                _connections[connection] = 0;
                _ = connection.ContinueWith(t => _connections.TryRemove(t, out _), TaskScheduler.Default);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (SocketException exception)
            {
                // Out of file descriptors, most likely: do not spin.
                LogFailed(exception);
                await Task.Delay(TimeSpan.FromMilliseconds(100), _time, CancellationToken.None);
            }
        }

        await Task.WhenAll(_connections.Keys);
    }

    private async Task ServeAsync(Socket socket, CancellationToken cancellationToken)
    {
        await Task.Yield();
        using var owned = socket;
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        var query = new byte[ushort.MaxValue];
        var response = new byte[ushort.MaxValue + 2];
        try
        {
            while (true)
            {
                using var idle = new CancellationTokenSource(IdleTimeout, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, cancellationToken);
                await stream.ReadExactlyAsync(query.AsMemory(0, 2), either.Token);
                var length = BinaryPrimitives.ReadUInt16BigEndian(query);
                await stream.ReadExactlyAsync(query.AsMemory(0, length), either.Token);
                var answered = await _handler.HandleAsync(query.AsMemory(0, length), isTcp: true, response.AsMemory(2), either.Token);
                if (answered == 0)
                {
                    return;
                }

                BinaryPrimitives.WriteUInt16BigEndian(response, (ushort)answered);
                await stream.WriteAsync(response.AsMemory(0, answered + 2), either.Token);
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
        {
            // The client is done, too slow, or we are stopping.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "TCP connection was not accepted")]
    private partial void LogFailed(Exception exception);
}
