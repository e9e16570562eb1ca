using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Trireme.Component.Lifetime;

namespace Trireme.Cluster.Balancing;

/// <summary>An address on which the balancer listens.</summary>
/// <param name="Address">Address and port.</param>
/// <param name="Preferred">Server that gets the connections while it is ready, null spreads them.</param>
public sealed record BalancerListener(IPEndPoint Address, IPEndPoint? Preferred);

/// <summary>
/// Forwards TCP connections to the API servers. TLS passes through: the balancer sees no request and needs no key.
/// </summary>
/// <remarks>
/// A connection is tried on one server after another until it is made; a server that refuses is skipped by later connections until a probe finds it
/// again. There is no return to a preferred server while a connection lives.
/// </remarks>
public sealed class LocalBalancer(BackendPool pool, IReadOnlyList<BalancerListener> listeners, HaltWatch halts, TimeProvider time, ILogger logger)
{
    // On one network a connection is made within a millisecond; this long without an answer means that packets vanish.
    private static readonly TimeSpan _connectTimeout = TimeSpan.FromMilliseconds(700);

    private readonly ConcurrentDictionary<Task, byte> _connections = new();

    /// <summary>Whether the accept loops run; completes when every address is bound.</summary>
    public Task Bound => _bound.Task;

    private readonly TaskCompletionSource _bound = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Serves until cancelled; open connections are cut then.</summary>
    /// <exception cref="SocketException">An address is in use.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var sockets = new List<Socket>();
        halts.Resumed += CloseConnections;
        try
        {
            foreach (var listener in listeners)
            {
                sockets.Add(Listen(listener.Address));
            }

            _bound.TrySetResult();
            await Task.WhenAll(listeners.Select((listener, i) => AcceptAsync(sockets[i], listener, cancellationToken)));
        }
        catch (SocketException e)
        {
            _bound.TrySetException(e);
            throw;
        }
        finally
        {
            halts.Resumed -= CloseConnections;
            sockets.ForEach(s => s.Dispose());
            CloseConnections();
            await Task.WhenAll(_connections.Keys);
        }
    }

    private void CloseConnections()
    {
        foreach (var backend in pool.Backends)
        {
            backend.CloseConnections();
        }
    }

    private static Socket Listen(IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            SocketOptions.AllowForeignAddress(socket);
            socket.Bind(address);
            socket.Listen(1024);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task AcceptAsync(Socket socket, BalancerListener listener, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await socket.AcceptAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException e)
            {
                // Out of descriptors, or the client was gone already: neither may end the balancer.
                logger.LogWarning(e, "Accepting a connection on {Address} failed", listener.Address);
                await Task.Delay(TimeSpan.FromMilliseconds(50), time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            var connection = ForwardAsync(client, listener, cancellationToken);
            _connections[connection] = 0;
            _ = connection.ContinueWith(static (done, state) => ((ConcurrentDictionary<Task, byte>)state!).TryRemove(done, out _),
                _connections, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task ForwardAsync(Socket client, BalancerListener listener, CancellationToken cancellationToken)
    {
        try
        {
            SocketOptions.Tune(client);
            foreach (var backend in pool.Order(listener.Preferred))
            {
                if (await ConnectAsync(backend, cancellationToken) is not { } server)
                {
                    continue;
                }

                using var connection = new BalancedConnection(client, server, halts);
                backend.Add(connection);
                try
                {
                    await connection.CopyAsync();
                }
                finally
                {
                    backend.Remove(connection);
                }

                return;
            }

            logger.LogDebug("No API server can be reached");
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The client left, or the balancer ends.
        }
        finally
        {
            client.Dispose();
        }
    }

    private async Task<Socket?> ConnectAsync(Backend backend, CancellationToken cancellationToken)
    {
        var socket = new Socket(backend.Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var timeout = new CancellationTokenSource(_connectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            SocketOptions.Tune(socket);
            await socket.ConnectAsync(backend.Address, either.Token);
            return socket;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            socket.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            if (backend.Health != BackendHealth.Unreachable)
            {
                backend.ReportRefused();
                logger.LogWarning("API server {Address} cannot be reached: {Reason}", backend.Address, e is SocketException ? e.Message : "no answer");
            }

            return null;
        }
    }
}
