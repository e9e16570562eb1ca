using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Probes;
using Trireme.TestKit;
using Trireme.TestKit.Cri;

namespace Trireme.Kubelet.Tests.Probes;

public sealed class ProberTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(Pods.Noon);
    private readonly HttpActions _http = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly FakeCri _cri;
    private readonly Prober _prober;

    public ProberTests()
    {
        _cri = new FakeCri(_time);
        _prober = new Prober(_cri, _http, _time);
        _listener.Start();
    }

    private int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Dispose()
    {
        _listener.Dispose();
        _http.Dispose();
    }

    [Fact]
    public async Task A_grpc_server_that_does_not_answer_is_a_failure_after_the_timeout()
    {
        var probing = ProbeAsync(new Probe { Grpc = new GRPCAction { Port = Port }, TimeoutSeconds = 3 });

        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return probing.IsCompleted;
            },
            "the probe gives up");
        Assert.Equal(new ProbeAttempt(false, "probe timed out after 3s"), await probing);
    }

    [Fact]
    public async Task A_header_that_belongs_to_a_body_is_sent_all_the_same()
    {
        var get = new HTTPGetAction
        {
            Port = Port,
            HttpHeaders = [new HTTPHeader { Name = "Content-Type", Value = "application/json" }, new HTTPHeader { Name = "accept", Value = "text/plain" }],
        };
        var probing = ProbeAsync(new Probe { HttpGet = get });
        var request = await AnswerAsync();

        Assert.True((await probing).Success);
        Assert.Contains("Content-Type: application/json", request);
        Assert.Contains("Accept: text/plain", request);
        Assert.DoesNotContain(request, line => line.Contains("*/*", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_header_that_cannot_be_sent_fails_a_probe_and_a_hook()
    {
        var get = new HTTPGetAction { Port = Port, HttpHeaders = [new HTTPHeader { Name = "Host", Value = "no host" }] };

        Assert.False((await ProbeAsync(new Probe { HttpGet = get })).Success);
        Assert.NotNull(await new LifecycleHooks(_cri, _http, _time).RunAsync(
            new LifecycleHandler { HttpGet = get }, Pods.Container("a"), "a-0", "127.0.0.1", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_exec_probe_says_nothing_while_the_runtime_is_down()
    {
        var probe = new Probe { Exec = new ExecAction { Command = ["ok"] } };
        var sandbox = await _cri.RunPodSandboxAsync(Sandbox(), "", TestContext.Current.CancellationToken);
        var id = await _cri.CreateContainerAsync(
            sandbox, new Cri.V1.ContainerConfig { Metadata = new() { Name = "a" }, Image = new() }, Sandbox(), TestContext.Current.CancellationToken);
        _cri.OnExec = (_, _) => throw new CriException(StatusCode.DeadlineExceeded, "command took too long");
        Assert.False((await ProbeAsync(probe, id)).IsUnknown);

        _cri.IsDown = true;

        Assert.True((await ProbeAsync(probe, id)).IsUnknown);

        static Cri.V1.PodSandboxConfig Sandbox() => new() { Metadata = new() { Name = "web", Namespace = "default" }, Linux = new() { SecurityContext = new() } };
    }

    [Fact]
    public async Task A_probe_that_is_stopped_has_no_outcome()
    {
        using var stop = new CancellationTokenSource();
        var probing = _prober.ProbeAsync(new Probe { Grpc = new GRPCAction { Port = Port } }, Target("a-0"), stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => probing);
    }

    private static ProbeTarget Target(string id) => new(Pods.Make("a"), Pods.Container("a"), id, "127.0.0.1");

    private Task<ProbeAttempt> ProbeAsync(Probe probe, string id = "a-0") => _prober.ProbeAsync(probe, Target(id), TestContext.Current.CancellationToken);

    /// <summary>Reads one request, answers it, and returns its lines.</summary>
    private async Task<List<string>> AnswerAsync()
    {
        using var deadline = Eventually.Deadline();
        using var client = await _listener.AcceptTcpClientAsync(deadline.Token);
        using var reader = new StreamReader(client.GetStream());
        var lines = new List<string>();
        while (await reader.ReadLineAsync(deadline.Token) is { Length: > 0 } line)
        {
            lines.Add(line);
        }

        await client.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"u8.ToArray(), deadline.Token);
        return lines;
    }
}
