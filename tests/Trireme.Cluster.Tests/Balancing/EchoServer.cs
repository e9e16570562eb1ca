using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Trireme.Cluster.Tests.Balancing;

/// <summary>A server that greets with its name and echoes what it gets.</summary>
internal sealed class EchoServer : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _run;
    private readonly string _name;

    public EchoServer(string name)
    {
        _name = name;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Address = (IPEndPoint)_listener.LocalEndPoint!;
        _run = RunAsync();
    }

    public IPEndPoint Address { get; }

    /// <summary>All that clients have sent.</summary>
    public string Received { get; private set; } = "";

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _run;
    }

    private async Task RunAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }

        await Task.WhenAll(connections);
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            using (socket)
            {
                await socket.SendAsync(Encoding.ASCII.GetBytes(_name + "\n"), _stop.Token);
                var buffer = new byte[65536];
                while (await socket.ReceiveAsync(buffer, _stop.Token) is > 0 and var received)
                {
                    Received += received < 100 ? Encoding.ASCII.GetString(buffer, 0, received) : "";
                    await socket.SendAsync(buffer.AsMemory(0, received), _stop.Token);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
        }
    }
}
