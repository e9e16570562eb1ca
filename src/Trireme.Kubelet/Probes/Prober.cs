using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Probes.GrpcHealth;

namespace Trireme.Kubelet.Probes;

/// <summary>Probes by exec in the container, HTTP, TCP and the gRPC health protocol.</summary>
public sealed class Prober(ICri cri, HttpActions http, TimeProvider time) : IProber
{
    public async Task<ProbeAttempt> ProbeAsync(Probe probe, ProbeTarget target, CancellationToken cancellationToken)
    {
        var timeout = TimeSpan.FromSeconds(Math.Max(1, probe.TimeoutSeconds));
        using var deadline = new CancellationTokenSource(timeout, time);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return probe switch
            {
                { Exec: { } exec } => await ExecAsync(exec, target, timeout, cancellationToken),
                { HttpGet: { } get } => await HttpGetAsync(get, target, limited.Token),
                { TcpSocket: { } tcp } => await TcpAsync(tcp, target, limited.Token),
                { Grpc: { } grpc } => await GrpcAsync(grpc, target, limited.Token),
                _ => new ProbeAttempt(false, "missing probe handler"),
            };
        }
        catch (Exception e)
        {
            // Whatever a probe trips over is its outcome: one that throws would be the last of its container.
            cancellationToken.ThrowIfCancellationRequested();
            return new ProbeAttempt(false, deadline.IsCancellationRequested ? $"probe timed out after {timeout.TotalSeconds}s" : e.Message);
        }
    }

    private async Task<ProbeAttempt> ExecAsync(ExecAction exec, ProbeTarget target, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            var command = (exec.Command ?? []).Select(word => VariableExpansion.Expand(word, LiteralEnvironment(target.Container)));
            var answer = await cri.ExecSyncAsync(target.ContainerId, command, timeout, cancellationToken);
            var output = Encoding.UTF8.GetString(answer.Stdout.Span) + Encoding.UTF8.GetString(answer.Stderr.Span);
            return new ProbeAttempt(answer.ExitCode == 0, output);
        }
        catch (CriException e) when (e.IsDeadlineExceeded)
        {
            return new ProbeAttempt(false, $"command timed out: {e.Message}");
        }
        catch (CriException e)
        {
            // A restart of the runtime must not restart every container that has an exec probe.
            return new ProbeAttempt(false, e.Message) { IsUnknown = true };
        }
    }

    private async Task<ProbeAttempt> HttpGetAsync(HTTPGetAction get, ProbeTarget target, CancellationToken cancellationToken)
    {
        try
        {
            var (code, body) = await http.GetAsync(get, target.Container, target.PodIP, cancellationToken);
            return (int)code is >= 200 and < 400
                ? new ProbeAttempt(true, body)
                : new ProbeAttempt(false, $"HTTP probe failed with statuscode: {(int)code}");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or UriFormatException)
        {
            return new ProbeAttempt(false, $"Get \"{get.Path}\": {e.Message}");
        }
    }

    private static async Task<ProbeAttempt> TcpAsync(TCPSocketAction tcp, ProbeTarget target, CancellationToken cancellationToken)
    {
        using var socket = new Socket(SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        try
        {
            var host = tcp.Host is { Length: > 0 } given ? given : target.PodIP;
            await socket.ConnectAsync(host, HttpActions.PortOf(tcp.Port, target.Container), cancellationToken);
            return new ProbeAttempt(true, "");
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return new ProbeAttempt(false, $"dial tcp {target.PodIP}: {e.Message}");
        }
    }

    private static async Task<ProbeAttempt> GrpcAsync(GRPCAction grpc, ProbeTarget target, CancellationToken cancellationToken)
    {
        var host = IPAddress.TryParse(target.PodIP, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{target.PodIP}]" : target.PodIP;
        using var channel = GrpcChannel.ForAddress($"http://{host}:{grpc.Port}");
        try
        {
            var answer = await new Health.HealthClient(channel)
                .CheckAsync(new HealthCheckRequest { Service = grpc.Service ?? "" }, cancellationToken: cancellationToken);
            return answer.Status == HealthCheckResponse.Types.ServingStatus.Serving
                ? new ProbeAttempt(true, "service healthy")
                : new ProbeAttempt(false, $"service unhealthy (responded with \"{answer.Status}\")");
        }
        catch (RpcException e) when (e.StatusCode != StatusCode.Cancelled || !cancellationToken.IsCancellationRequested)
        {
            return new ProbeAttempt(false, $"health rpc probe failed: {e.Status.Detail}");
        }
    }

    private static Func<string, string?> LiteralEnvironment(Container container) =>
        name => container.Env?.LastOrDefault(e => e.Name == name)?.Value;
}
