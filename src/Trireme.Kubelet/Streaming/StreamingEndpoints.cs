using System.Globalization;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Streaming;

/// <summary>Serves exec, attach and port-forward for every client: SPDY upgrades (kubectl before 1.31), WebSockets (since), and SPDY tunnelled through WebSockets.</summary>
/// <remarks>
/// The runtime speaks SPDY, so that a client that does too is joined to it byte by byte; only a remote command over WebSocket is translated
/// (<see cref="RemoteCommandBridge"/>). Protocols: https://kubernetes.io/docs/reference/using-api/api-concepts/ and KEP-4006.
/// </remarks>
public sealed partial class StreamingEndpoints(ICri cri, ILogger<StreamingEndpoints> logger) : IStreamingEndpoints
{
    private const string ProtocolHeader = "X-Stream-Protocol-Version";
    private const string TunnelPrefix = "SPDY/3.1+";

    private static readonly string[] RemoteCommandProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
    private static readonly string[] PortForwardProtocols = ["portforward.k8s.io"];

    /// <inheritdoc/>
    public async Task HandleAsync(HttpContext context, StreamingRequest request, CancellationToken cancellationToken)
    {
        var streams = StreamsOf(context.Request.Query, request);
        if (request.Verb != StreamingVerb.PortForward && streams is { Stdin: false, Stdout: false, Stderr: false })
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, "you must specify at least 1 of stdin, stdout, stderr");
            return;
        }

        try
        {
            if (context.WebSockets.IsWebSocketRequest)
            {
                await ServeWebSocketAsync(context, request, streams, cancellationToken);
            }
            else if (context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } upgrade && context.Request.Headers.Upgrade.ToString().StartsWith("SPDY/3.1", StringComparison.OrdinalIgnoreCase))
            {
                await ServeSpdyAsync(context, upgrade, request, streams, cancellationToken);
            }
            else
            {
                await RefuseAsync(context, StatusCodes.Status400BadRequest, "unable to upgrade: missing upgrade headers in request");
            }
        }
        catch (Exception e) when (e is IOException or RpcException or CriException && !context.Response.HasStarted)
        {
            await RefuseAsync(context, StatusCodes.Status500InternalServerError, e.Message);
        }
        catch (Exception e) when (e is IOException or RpcException or CriException or OperationCanceledException or WebSocketException)
        {
            LogBroken(request.Verb, request.Pod.Metadata.Namespace, request.Pod.Metadata.Name, e.Message);
        }
    }

    private async Task ServeSpdyAsync(HttpContext context, IHttpUpgradeFeature upgrade, StreamingRequest request, RemoteCommandStreams streams, CancellationToken cancellationToken)
    {
        // Joined byte by byte, so the runtime's choice among the client's protocols is the answer to the client.
        var offered = context.Request.Headers[ProtocolHeader].SelectMany(v => (v ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
        var url = await RuntimeUrlAsync(request, streams, context.Request.Query, cancellationToken);
        var (runtime, protocol) = await RuntimeConnection.OpenAsync(url, offered.DefaultIfEmpty("channel.k8s.io"), cancellationToken);
        await using (runtime)
        {
            context.Response.Headers.Upgrade = "SPDY/3.1";
            context.Response.Headers.Connection = "Upgrade";
            context.Response.Headers[ProtocolHeader] = protocol;
            await using var client = await upgrade.UpgradeAsync();
            await StreamCopy.BothWaysAsync(client, runtime, cancellationToken);
        }
    }

    private async Task ServeWebSocketAsync(HttpContext context, StreamingRequest request, RemoteCommandStreams streams, CancellationToken cancellationToken)
    {
        var offered = context.WebSockets.WebSocketRequestedProtocols;
        if (request.Verb == StreamingVerb.PortForward)
        {
            var tunnel = offered.FirstOrDefault(p => p.StartsWith(TunnelPrefix, StringComparison.Ordinal) && PortForwardProtocols.Contains(p[TunnelPrefix.Length..]));
            if (tunnel is null)
            {
                await RefuseAsync(context, StatusCodes.Status400BadRequest, $"unable to negotiate protocol: client supports [{string.Join(' ', offered)}], server accepts [{TunnelPrefix}{PortForwardProtocols[0]}]");
                return;
            }

            var (runtime, _) = await RuntimeConnection.OpenAsync(await RuntimeUrlAsync(request, streams, context.Request.Query, cancellationToken), PortForwardProtocols, cancellationToken);
            await using (runtime)
            {
                using var socket = await AcceptAsync(context, tunnel);
                await using var client = new WebSocketStream(socket);
                await StreamCopy.BothWaysAsync(client, runtime, cancellationToken);
            }

            return;
        }

        var protocol = RemoteCommandProtocols.FirstOrDefault(offered.Contains);
        if (protocol is null && offered.Count > 0)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, $"unable to negotiate protocol: client supports [{string.Join(' ', offered)}], server accepts [{string.Join(' ', RemoteCommandProtocols)}]");
            return;
        }

        // The Status on the error stream has been JSON since v4, which every runtime in use speaks.
        var (commands, _) = await RuntimeConnection.OpenAsync(await RuntimeUrlAsync(request, streams, context.Request.Query, cancellationToken), ["v4.channel.k8s.io"], cancellationToken);
        using var webSocket = await context.WebSockets.AcceptWebSocketAsync(protocol);
        await RemoteCommandBridge.RunAsync(webSocket, commands, streams, cancellationToken);
    }

    // .NET takes only subprotocols without separators, and the name of the tunnel has a slash: so the handshake (RFC 6455, 4.2.2) is made here.
    private static async Task<WebSocket> AcceptAsync(HttpContext context, string protocol)
    {
        var upgrade = context.Features.GetRequiredFeature<IHttpUpgradeFeature>();
        var key = context.Request.Headers.SecWebSocketKey.ToString();
#pragma warning disable CA5350 // The handshake is defined with it and protects nothing.
        var accept = SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
#pragma warning restore CA5350
        context.Response.Headers.Upgrade = "websocket";
        context.Response.Headers.Connection = "Upgrade";
        context.Response.Headers.SecWebSocketAccept = Convert.ToBase64String(accept);
        context.Response.Headers.SecWebSocketProtocol = protocol;
        return WebSocket.CreateFromStream(await upgrade.UpgradeAsync(), new WebSocketCreationOptions { IsServer = true });
    }

    private Task<string> RuntimeUrlAsync(StreamingRequest request, RemoteCommandStreams streams, IQueryCollection query, CancellationToken cancellationToken)
    {
        switch (request.Verb)
        {
            case StreamingVerb.Exec:
                var exec = new ExecRequest
                {
                    ContainerId = request.ContainerId,
                    Stdin = streams.Stdin,
                    Stdout = streams.Stdout,
                    Stderr = streams is { Stderr: true, Tty: false },
                    Tty = streams.Tty,
                };
                exec.Cmd.AddRange(query["command"].OfType<string>());
                return cri.ExecAsync(exec, cancellationToken);
            case StreamingVerb.Attach:
                return cri.AttachAsync(
                    new AttachRequest
                    {
                        ContainerId = request.ContainerId,
                        Stdin = streams.Stdin,
                        Stdout = streams.Stdout,
                        Stderr = streams is { Stderr: true, Tty: false },
                        Tty = streams.Tty,
                    },
                    cancellationToken);
            default:
                var forward = new PortForwardRequest { PodSandboxId = request.SandboxId };
                forward.Port.AddRange(query["port"].Concat(query["ports"]).OfType<string>().SelectMany(p => p.Split(',')).Select(p => int.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : 0).Where(p => p > 0));
                return cri.PortForwardAsync(forward, cancellationToken);
        }
    }

    // The kubelet's own names of the parameters, and those of the API that some clients send on.
    private static RemoteCommandStreams StreamsOf(IQueryCollection query, StreamingRequest request)
    {
        bool Is(string kubelet, string api) => IsTrue(query[kubelet]) || IsTrue(query[api]);
        return new RemoteCommandStreams(Is("input", "stdin"), Is("output", "stdout"), Is("error", "stderr"), request.Verb == StreamingVerb.Attach ? request.Tty : IsTrue(query["tty"]));
    }

    private static bool IsTrue(StringValues value) => value.Count > 0 && value[^1] is "1" or "true" or "True";

    private static async Task RefuseAsync(HttpContext context, int code, string message)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "text/plain";
        await context.Response.WriteAsync(message, context.RequestAborted);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Streaming session ended early: {Verb} of pod {Namespace}/{Name}: {Reason}")]
    private partial void LogBroken(StreamingVerb verb, string? @namespace, string? name, string reason);
}
