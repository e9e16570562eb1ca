using System.Net.Sockets;
using System.Text.Json;

namespace Trireme.Cluster.Supervision;

/// <summary>Talks to a machine's supervisor over its control socket.</summary>
public sealed class SupervisorClient(MachineDirectory directory)
{
    /// <summary>Sends one request.</summary>
    /// <exception cref="SupervisorUnavailableException">No supervisor answers on this machine.</exception>
    public async Task<SupervisorResponse> SendAsync(SupervisorRequest request, CancellationToken cancellationToken)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(directory.SupervisorSocket), cancellationToken);
            using var stream = new NetworkStream(socket);
            var bytes = JsonSerializer.SerializeToUtf8Bytes(request, SupervisorJson.Default.SupervisorRequest);
            await stream.WriteAsync((byte[])[.. bytes, (byte)'\n'], cancellationToken);
            using var reader = new StreamReader(stream);
            var line = await reader.ReadLineAsync(cancellationToken) ?? throw new IOException("The supervisor closed the connection");
            return JsonSerializer.Deserialize(line, SupervisorJson.Default.SupervisorResponse) ?? new SupervisorResponse();
        }
        catch (Exception e) when (e is SocketException or IOException or JsonException)
        {
            throw new SupervisorUnavailableException($"No supervisor answers at {directory.SupervisorSocket}: {e.Message}", e);
        }
    }

    /// <summary>Whether a supervisor answers.</summary>
    public async Task<bool> IsRunningAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(directory.SupervisorSocket))
        {
            return false;
        }

        try
        {
            await SendAsync(new SupervisorRequest("list"), cancellationToken);
            return true;
        }
        catch (SupervisorUnavailableException)
        {
            return false;
        }
    }
}

/// <summary>The machine's supervisor does not run or does not answer.</summary>
public sealed class SupervisorUnavailableException(string message, Exception? inner = null) : Exception(message, inner);
