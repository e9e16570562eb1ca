using System.Net.Sockets;
using Grpc.Net.Client;
using Trireme.Storage.Etcd.Rpc;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>A connection to one member with the stubs that use it.</summary>
/// <remarks>A plain channel: the library's own balancing sticks to members that are stopped or unreachable.</remarks>
internal sealed class EtcdChannel : IDisposable
{
    // Members close connections that ping more often than every 5 s, or that ping without an open call (--grpc-keepalive-min-time).
    private static readonly TimeSpan s_keepAlivePingDelay = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan s_keepAlivePingTimeout = TimeSpan.FromSeconds(2);

    private readonly GrpcChannel _channel;

    public EtcdChannel(Uri endpoint, TlsCredentials? tls, TimeSpan connectTimeout)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = connectTimeout,

            // Without a callback of ours the channel would add its own connecting and backing off.
            ConnectCallback = ConnectAsync,
            EnableMultipleHttp2Connections = true,
            KeepAlivePingDelay = s_keepAlivePingDelay,
            KeepAlivePingTimeout = s_keepAlivePingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60),
            InitialHttp2StreamWindowSize = 1 << 20,
            UseProxy = false,
        };
        if (tls is not null)
        {
            handler.SslOptions = tls.CreateOptions();

            // A renewed certificate is used by new connections only.
            handler.PooledConnectionLifetime = TimeSpan.FromMinutes(30);
        }

        _channel = GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = null,
            MaxSendMessageSize = null,
        });
        Kv = new KV.KVClient(_channel);
        Watch = new Watch.WatchClient(_channel);
        Cluster = new Rpc.Cluster.ClusterClient(_channel);
        Maintenance = new Maintenance.MaintenanceClient(_channel);
    }

    public KV.KVClient Kv { get; }

    public Watch.WatchClient Watch { get; }

    public Rpc.Cluster.ClusterClient Cluster { get; }

    public Maintenance.MaintenanceClient Maintenance { get; }

    /// <summary>Ends every call in flight and closes the connection.</summary>
    public void Dispose() => _channel.Dispose();

    private static async ValueTask<Stream> ConnectAsync(
        SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
