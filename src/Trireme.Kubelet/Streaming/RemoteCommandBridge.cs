using System.Net.WebSockets;

namespace Trireme.Kubelet.Streaming;

/// <summary>Which streams a remote command has.</summary>
internal readonly record struct RemoteCommandStreams(bool Stdin, bool Stdout, bool Stderr, bool Tty);

/// <summary>Joins a client that multiplexes a remote command over WebSocket messages to a runtime that wants SPDY streams.</summary>
/// <remarks>
/// A message's first byte is its channel: 0 standard input, 1 output, 2 error output, 3 the final Status, 4 terminal size; since <c>v5</c> also 255, whose
/// second byte names a channel that the client closes (KEP-4006). The session ends when the runtime has ended output and status; a client that goes
/// away ends it at once.
/// </remarks>
internal static class RemoteCommandBridge
{
    private const byte Stdin = 0;
    private const byte Stdout = 1;
    private const byte Stderr = 2;
    private const byte Error = 3;
    private const byte Resize = 4;
    private const byte Close = 255;
    private const int BufferSize = 32 * 1024;
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Runs the session to its end; the WebSocket is closed then.</summary>
    public static async Task RunAsync(WebSocket client, Stream runtime, RemoteCommandStreams streams, CancellationToken cancellationToken)
    {
        await using var spdy = new SpdyClient(runtime);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var receiving = spdy.RunAsync(stop.Token);

        // The order in which the streams are opened is free; the runtime waits until it has all that the request named.
        var error = await OpenAsync(spdy, "error", stop.Token);
        int? stdin = streams.Stdin ? await OpenAsync(spdy, "stdin", stop.Token) : null;
        int? stdout = streams.Stdout ? await OpenAsync(spdy, "stdout", stop.Token) : null;
        int? stderr = streams is { Stderr: true, Tty: false } ? await OpenAsync(spdy, "stderr", stop.Token) : null;
        int? resize = streams.Tty ? await OpenAsync(spdy, "resize", stop.Token) : null;

        using var sending = new SemaphoreSlim(1);
        var fromClient = FromClientAsync(client, spdy, stdin, resize, stop.Token);
        var fromRuntime = Task.WhenAll(
            ToClientAsync(client, sending, spdy, error, Error, stop.Token),
            stdout is { } o ? ToClientAsync(client, sending, spdy, o, Stdout, stop.Token) : Task.CompletedTask,
            stderr is { } e ? ToClientAsync(client, sending, spdy, e, Stderr, stop.Token) : Task.CompletedTask);
        await Task.WhenAny(fromClient, fromRuntime);
        if (fromRuntime.IsCompletedSuccessfully && client.State == WebSocketState.Open)
        {
            // What was sent last is safe only once the client has answered the close: cutting the connection before could overtake it.
            await CloseAsync(client, cancellationToken);
            await Task.WhenAny(fromClient, Task.Delay(CloseTimeout, TimeProvider.System, cancellationToken));
        }

        await stop.CancelAsync();
        await Task.WhenAll(fromClient, fromRuntime, receiving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static Task<int> OpenAsync(SpdyClient spdy, string streamType, CancellationToken cancellationToken) =>
        spdy.OpenAsync([new("streamtype", streamType)], cancellationToken);

    private static async Task FromClientAsync(WebSocket client, SpdyClient spdy, int? stdin, int? resize, CancellationToken cancellationToken)
    {
        var buffer = new byte[BufferSize];
        var channel = -1;
        while (true)
        {
            var result = await client.ReceiveAsync(buffer.AsMemory(), cancellationToken);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                return;
            }

            // A message may come in pieces; only its first carries the channel.
            ReadOnlyMemory<byte> data = buffer.AsMemory(0, result.Count);
            if (channel < 0 && data.Length > 0)
            {
                channel = data.Span[0];
                data = data[1..];
            }

            if (channel == Close && data.Length > 0 && data.Span[0] == Stdin && stdin is { } closing)
            {
                await spdy.CloseSendAsync(closing, cancellationToken);
            }
            else if (data.Length > 0 && (channel == Stdin ? stdin : channel == Resize ? resize : null) is { } target)
            {
                await spdy.SendAsync(target, data, cancellationToken);
            }

            if (result.EndOfMessage)
            {
                channel = -1;
            }
        }
    }

    private static async Task ToClientAsync(WebSocket client, SemaphoreSlim sending, SpdyClient spdy, int stream, byte channel, CancellationToken cancellationToken)
    {
        var message = new byte[BufferSize + 1];
        message[0] = channel;
        await foreach (var data in spdy.ReadAllAsync(stream, cancellationToken))
        {
            for (var rest = data; rest.Length > 0;)
            {
                var count = Math.Min(rest.Length, BufferSize);
                rest[..count].CopyTo(message.AsMemory(1));
                rest = rest[count..];
                await sending.WaitAsync(cancellationToken);
                try
                {
                    await client.SendAsync(message.AsMemory(0, count + 1), WebSocketMessageType.Binary, endOfMessage: true, cancellationToken);
                }
                finally
                {
                    sending.Release();
                }
            }
        }
    }

    private static async Task CloseAsync(WebSocket client, CancellationToken cancellationToken)
    {
        try
        {
            await client.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, cancellationToken);
        }
        catch (WebSocketException)
        {
            // The client was faster.
        }
    }
}
