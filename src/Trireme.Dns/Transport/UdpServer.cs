using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Trireme.Dns.Transport;

/// <summary>Answers over UDP. What is in memory is answered where it was received, without a task or an allocation; the rest in the background.</summary>
internal sealed partial class UdpServer : IDisposable
{
    /// <summary>Queries that wait for an upstream; beyond this new ones for which one must be asked fail at once: names of the cluster must not wait behind them.</summary>
    public const int MaxPending = 2000;

    private readonly Socket _socket;
    private readonly QueryHandler _handler;
    private readonly ILogger _logger;
    private int _pending;

    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public UdpServer(IPEndPoint address, QueryHandler handler, ILogger logger)
    {
        (_handler, _logger) = (handler, logger);
        _socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (address.Address.Equals(IPAddress.IPv6Any))
            {
                _socket.DualMode = true;
            }

            // Bursts wait here while one answer is made; the default holds some hundred queries only.
            _socket.ReceiveBufferSize = 1 << 20;
            _socket.Bind(address);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    public IPEndPoint LocalEndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    public void Dispose() => _socket.Dispose();

    /// <summary>Answers until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Enumerable.Range(0, Math.Clamp(Environment.ProcessorCount, 1, 4)).Select(_ => ReceiveAsync(cancellationToken)));

    private async Task ReceiveAsync(CancellationToken cancellationToken)
    {
        // Off the caller's thread: the first packets may already be there.
        await Task.Yield();
        var query = GC.AllocateUninitializedArray<byte>(4096, pinned: true);
        var response = GC.AllocateUninitializedArray<byte>(4096, pinned: true);
        var from = new SocketAddress(_socket.AddressFamily);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var length = await _socket.ReceiveFromAsync(query, SocketFlags.None, from, cancellationToken);
                var mayWait = Interlocked.Increment(ref _pending) <= MaxPending;
                var answer = _handler.HandleAsync(query.AsMemory(0, length), isTcp: false, response, cancellationToken, mayWait);
                if (!answer.IsCompleted)
                {
                    // The answer will need its buffers and address for longer: they go with it.
                    _ = AnswerLaterAsync(answer, response, from, cancellationToken);
                    response = GC.AllocateUninitializedArray<byte>(4096, pinned: false);
                    from = new SocketAddress(_socket.AddressFamily);
                    continue;
                }

                Interlocked.Decrement(ref _pending);
                await SendAsync(response, await answer, from, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException exception)
            {
                // For example an ICMP error for an earlier answer, whose client has gone.
                LogFailed(exception);
            }
        }
    }

    private async Task AnswerLaterAsync(ValueTask<int> answer, byte[] response, SocketAddress to, CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(response, await answer, to, cancellationToken);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client is gone, or we are.
        }
        finally
        {
            Interlocked.Decrement(ref _pending);
        }
    }

    private async ValueTask SendAsync(byte[] response, int length, SocketAddress to, CancellationToken cancellationToken)
    {
        if (length > 0)
        {
            await _socket.SendToAsync(response.AsMemory(0, length), SocketFlags.None, to, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "UDP socket failed")]
    private partial void LogFailed(Exception exception);
}
