using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Trireme.Cluster.Supervision;

/// <summary>Answers requests on the supervisor's unix socket, which only root can open.</summary>
internal sealed class ControlServer(string path, Func<SupervisorRequest, CancellationToken, Task<SupervisorResponse>> handle, ILogger logger)
{
    /// <summary>Binds the socket, so that clients can connect when this returns, and serves it until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        File.Delete(path); // of a supervisor that was killed; the lock file tells that none runs
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        listener.Listen();
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync(cancellationToken);
                connections.RemoveAll(c => c.IsCompleted);
                connections.Add(ServeAsync(socket, cancellationToken));
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        finally
        {
            File.Delete(path);
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(Socket socket, CancellationToken cancellationToken)
    {
        try
        {
            using var stream = new NetworkStream(socket, ownsSocket: true);
            using var reader = new StreamReader(stream);
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                var response = await AnswerAsync(line, cancellationToken);
                var bytes = JsonSerializer.SerializeToUtf8Bytes(response, SupervisorJson.Default.SupervisorResponse);
                await stream.WriteAsync((byte[])[.. bytes, (byte)'\n'], cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        catch (IOException e)
        {
            logger.LogDebug(e, "Control connection ended");
        }
    }

    private async Task<SupervisorResponse> AnswerAsync(string line, CancellationToken cancellationToken)
    {
        try
        {
            var request = JsonSerializer.Deserialize(line, SupervisorJson.Default.SupervisorRequest);
            return request is null ? new SupervisorResponse { Error = "Empty request" } : await handle(request, cancellationToken);
        }
        catch (JsonException e)
        {
            return new SupervisorResponse { Error = $"Request is no JSON: {e.Message}" };
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            logger.LogError(e, "Request failed");
            return new SupervisorResponse { Error = e.Message };
        }
    }
}
