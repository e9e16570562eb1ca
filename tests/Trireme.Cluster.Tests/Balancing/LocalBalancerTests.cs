using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Cluster.Balancing;
using Trireme.Component.Lifetime;
using Trireme.TestKit;

namespace Trireme.Cluster.Tests.Balancing;

public sealed class LocalBalancerTests : IAsyncLifetime
{
    private readonly EchoServer _a = new("a");
    private readonly EchoServer _b = new("b");
    private readonly BackendPool _pool = new(new Random(1));
    private readonly CancellationTokenSource _stop = new();
    private readonly HaltingTime _time = new();
    private readonly HaltWatch _halts;
    private readonly Dictionary<IPEndPoint, BackendHealth> _answers = [];
    private IPEndPoint _address = new(IPAddress.Loopback, 0);
    private Task _run = Task.CompletedTask;

    public LocalBalancerTests() => _halts = new HaltWatch(_time);

    public ValueTask InitializeAsync()
    {
        _pool.Update([_a.Address, _b.Address]);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Bytes_go_both_ways_unchanged_and_an_orderly_end_is_passed_on()
    {
        Start();
        using var client = await Connect();
        var stream = client.GetStream();
        await Name(stream);
        var sent = RandomNumberGenerator.GetBytes(1 << 20);
        var received = new byte[sent.Length];
        var reading = stream.ReadExactlyAsync(received, TestContext.Current.CancellationToken);
        await stream.WriteAsync(sent, TestContext.Current.CancellationToken);
        await reading;
        Assert.Equal(sent, received);
        client.Client.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await stream.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_server_that_refuses_is_passed_over_at_once()
    {
        await _a.DisposeAsync();
        Start(preferred: _a.Address);
        using var client = await Connect();
        Assert.Equal("b", await Name(client.GetStream()));
        Assert.Equal(BackendHealth.Unreachable, Backend(_a).Health);
    }

    [Fact]
    public async Task The_preferred_server_gets_the_connections_while_it_is_ready()
    {
        Report(BackendHealth.Ready, BackendHealth.Ready);
        Start(preferred: _b.Address);
        for (var i = 0; i < 5; i++)
        {
            using var client = await Connect();
            Assert.Equal("b", await Name(client.GetStream()));
        }

        Report(BackendHealth.Ready, BackendHealth.NotReady);
        using var next = await Connect();
        Assert.Equal("a", await Name(next.GetStream()));
    }

    [Fact]
    public async Task Connections_are_spread_when_no_server_is_preferred()
    {
        Report(BackendHealth.Ready, BackendHealth.Ready);
        Start();
        var clients = new List<TcpClient>();
        var names = new List<string>();
        for (var i = 0; i < 10; i++)
        {
            clients.Add(await Connect());
            names.Add(await Name(clients[^1].GetStream()));
        }

        clients.ForEach(c => c.Dispose());
        Assert.Equal((5, 5), (names.Count(n => n == "a"), names.Count(n => n == "b")));
    }

    [Fact]
    public async Task Without_a_ready_server_one_that_answers_is_used()
    {
        Report(BackendHealth.Unreachable, BackendHealth.NotReady);
        Start();
        using var client = await Connect();
        Assert.Equal("b", await Name(client.GetStream()));
    }

    [Fact]
    public async Task A_server_that_hangs_loses_its_connections_and_gets_no_new_ones()
    {
        _answers[_a.Address] = BackendHealth.Ready;
        _answers[_b.Address] = BackendHealth.NotReady;
        var prober = new BackendProber(_pool, ProbeAsync, TimeProvider.System, NullLogger.Instance).RunAsync(_stop.Token);
        Start();
        await Until(() => Backend(_a).Health == BackendHealth.Ready && Backend(_b).Health == BackendHealth.NotReady);
        using var client = await Connect();
        Assert.Equal("a", await Name(client.GetStream()));

        _answers[_b.Address] = BackendHealth.Ready;
        _answers[_a.Address] = BackendHealth.Unreachable;
        await Assert.ThrowsAnyAsync<IOException>(async () => await client.GetStream().ReadExactlyAsync(new byte[1]));
        using var next = await Connect();
        Assert.Equal("b", await Name(next.GetStream()));
        await _stop.CancelAsync();
        await prober;
    }

    [Fact]
    public async Task A_server_that_stays_unready_loses_its_clients_to_one_that_is_ready()
    {
        var time = new FakeTimeProvider();
        _answers[_a.Address] = BackendHealth.Ready;
        _answers[_b.Address] = BackendHealth.NotReady;
        var prober = new BackendProber(_pool, ProbeAsync, time, NullLogger.Instance).RunAsync(_stop.Token);
        Start(preferred: _a.Address);
        await Until(() => Backend(_a).Health == BackendHealth.Ready);
        using var client = await Connect();
        Assert.Equal("a", await Name(client.GetStream()));
        _answers[_a.Address] = BackendHealth.NotReady;
        var passed = TimeSpan.Zero;
        await Until(() => Advance() > TimeSpan.FromSeconds(20));
        Assert.Equal(1, Backend(_a).Connections);

        _answers[_b.Address] = BackendHealth.Ready;
        await Until(() => Advance() > TimeSpan.Zero && Backend(_a).Connections == 0);
        await Assert.ThrowsAnyAsync<IOException>(async () => await client.GetStream().ReadExactlyAsync(new byte[1]));
        await _stop.CancelAsync();
        await prober;

        TimeSpan Advance()
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            return passed += TimeSpan.FromMilliseconds(100);
        }
    }

    [Fact]
    public async Task A_server_that_hangs_keeps_its_clients_while_there_is_no_better_one()
    {
        _pool.Update([_a.Address]);
        _answers[_a.Address] = BackendHealth.Ready;
        var prober = new BackendProber(_pool, ProbeAsync, TimeProvider.System, NullLogger.Instance).RunAsync(_stop.Token);
        Start();
        await Until(() => Backend(_a).Health == BackendHealth.Ready);
        using var client = await Connect();
        Assert.Equal("a", await Name(client.GetStream()));

        _answers[_a.Address] = BackendHealth.Unreachable;
        await Until(() => Backend(_a).Health == BackendHealth.Unreachable);
        await client.Client.SendAsync("x"u8.ToArray());
        await client.GetStream().ReadExactlyAsync(new byte[1], TestContext.Current.CancellationToken);
        await _stop.CancelAsync();
        await prober;
    }

    [Fact]
    public async Task A_server_that_leaves_the_list_loses_its_connections()
    {
        Start(preferred: _a.Address);
        using var client = await Connect();
        Assert.Equal("a", await Name(client.GetStream()));
        _pool.Update([_b.Address]);
        await Assert.ThrowsAnyAsync<IOException>(async () => await client.GetStream().ReadExactlyAsync(new byte[1]));
    }

    [Fact]
    public async Task What_waited_while_the_balancer_was_halted_reaches_no_server()
    {
        Start(preferred: _a.Address);
        using var client = await Connect();
        Assert.Equal("a", await Name(client.GetStream()));

        _time.Halt(TimeSpan.FromSeconds(3));
        await client.Client.SendAsync("late"u8.ToArray());
        await Assert.ThrowsAnyAsync<IOException>(async () => await client.GetStream().ReadExactlyAsync(new byte[1]));
        Assert.DoesNotContain("late", _a.Received, StringComparison.Ordinal);
        using var next = await Connect();
        Assert.Equal("a", await Name(next.GetStream()));
    }

    [Fact]
    public void One_missed_probe_is_forgiven_and_two_are_not()
    {
        Report(BackendHealth.Ready, BackendHealth.Ready);
        Assert.False(Backend(_a).ReportFailure());
        Assert.Equal(BackendHealth.Ready, Backend(_a).Health);
        Assert.True(Backend(_a).ReportFailure());
        Assert.Equal(BackendHealth.Unreachable, Backend(_a).Health);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        await _a.DisposeAsync();
        await _b.DisposeAsync();
        _halts.Dispose();
        _stop.Dispose();
    }

    private async Task<bool> ProbeAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        switch (_answers[address])
        {
            case BackendHealth.Unreachable:
                await Task.Delay(Timeout.Infinite, cancellationToken);
                return false;
            case var health:
                return health == BackendHealth.Ready;
        }
    }

    private Backend Backend(EchoServer server) => _pool.Backends.Single(b => b.Address.Equals(server.Address));

    private void Report(BackendHealth a, BackendHealth b)
    {
        foreach (var (backend, health) in new[] { (Backend(_a), a), (Backend(_b), b) })
        {
            if (health == BackendHealth.Unreachable)
            {
                backend.ReportFailure();
                backend.ReportFailure();
            }
            else
            {
                backend.Report(health == BackendHealth.Ready);
            }
        }
    }

    private void Start(IPEndPoint? preferred = null)
    {
        using (var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _address = (IPEndPoint)probe.LocalEndPoint!;
        }

        var balancer = new LocalBalancer(_pool, [new BalancerListener(_address, preferred)], _halts, TimeProvider.System, NullLogger.Instance);
        _run = balancer.RunAsync(_stop.Token);
    }

    private async Task<TcpClient> Connect()
    {
        var client = new TcpClient();
        await client.ConnectAsync(_address, TestContext.Current.CancellationToken);
        return client;
    }

    private static async Task<string> Name(NetworkStream stream)
    {
        var greeting = new byte[2];
        await stream.ReadExactlyAsync(greeting, TestContext.Current.CancellationToken);
        return Encoding.ASCII.GetString(greeting, 0, 1);
    }

    private static async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
