using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Dns.Plugins.Forward;
using Trireme.Dns.Transport;
using Trireme.Dns.Wire;
using Trireme.TestKit;

namespace Trireme.Dns.Tests;

/// <summary>Real sockets on the loopback.</summary>
public sealed class TransportTests : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly UdpServer _udp;
    private readonly TcpServer _tcp;
    private readonly Task _running;
    private readonly FakeUpstream _upstream = new();
    private volatile TaskCompletionSource? _gate;

    public TransportTests()
    {
        _upstream.OnQuery = _ => _gate?.Task ?? Task.Delay(1);
        var dns = new DnsFixture(_upstream).Add(
            DnsFixture.Service("many", clusterIP: "None"),
            DnsFixture.Slice("many", [.. Enumerable.Range(1, 200).Select(i => ($"10.2.0.{i}", (string?)null, (bool?)true))]));
        (_udp, _tcp) = Bind(dns);
        _running = Task.WhenAll(_udp.RunAsync(_stopping.Token), _tcp.RunAsync(_stopping.Token));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _running;
        _udp.Dispose();
        _tcp.Dispose();
        _stopping.Dispose();
    }

    /// <summary>Both on one port: the system gives one that is free for UDP, and another program may have it for TCP.</summary>
    private static (UdpServer Udp, TcpServer Tcp) Bind(DnsFixture dns)
    {
        for (var attempt = 0; ; attempt++)
        {
            var udp = new UdpServer(new IPEndPoint(IPAddress.Loopback, 0), dns.Handler, NullLogger.Instance);
            try
            {
                return (udp, new TcpServer(udp.LocalEndPoint, dns.Handler, TimeProvider.System, NullLogger.Instance));
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && attempt < 20)
            {
                udp.Dispose();
            }
        }
    }

    [Fact]
    public async Task A_client_that_is_told_so_gets_the_whole_answer_over_tcp()
    {
        var client = new Upstream(_udp.LocalEndPoint);
        var query = DnsFixture.Query("many.default.svc.cluster.local", DnsType.A);
        var token = TestContext.Current.CancellationToken;

        Assert.True(Answer.Read(await client.ExchangeAsync(query, useTcp: false, token)).Truncated);
        Assert.Equal(200, Answer.Read(await client.ExchangeAsync(query, useTcp: true, token)).Answers.Length);
    }

    [Fact]
    public async Task Answers_from_memory_do_not_wait_for_those_from_elsewhere()
    {
        var client = new Upstream(_udp.LocalEndPoint);
        var token = TestContext.Current.CancellationToken;
        var asked = Enumerable.Range(0, 200).Select(i => client.ExchangeAsync(
            DnsFixture.Query(i % 2 == 0 ? $"x{i}.example.com" : "x.default.svc.cluster.local", DnsType.A, id: (ushort)i), false, token));
        var answers = (await Task.WhenAll(asked)).Select(Answer.Read).ToList();

        Assert.Equal(100, answers.Count(a => a.Answers.Length == 1));
        Assert.Equal(100, answers.Count(a => a.Rcode == Rcode.NameError));
    }

    [Fact]
    public async Task Names_of_the_cluster_are_answered_while_upstreams_leave_everything_else_waiting()
    {
        _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var deadline = Eventually.Deadline();
        var client = new Upstream(_udp.LocalEndPoint);
        using var flood = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await flood.ConnectAsync(_udp.LocalEndPoint, deadline.Token);

        // Step by step, or the kernel would drop some.
        var sent = 0;
        while (sent < UdpServer.MaxPending)
        {
            for (var i = 0; i < 50; i++)
            {
                await flood.SendAsync(DnsFixture.Query($"x{++sent}.example.com", DnsType.A), SocketFlags.None, deadline.Token);
            }

            await Eventually.HoldsAsync(() => _upstream.Asked == sent, $"{sent} queries wait");
        }

        var refused = await client.ExchangeAsync(DnsFixture.Query("one.too.many.example.com", DnsType.A), false, deadline.Token);
        var known = await client.ExchangeAsync(DnsFixture.Query("x.default.svc.cluster.local", DnsType.A), false, deadline.Token);

        Assert.Equal((Rcode.ServerFailure, Rcode.NameError), (Answer.Read(refused).Rcode, Answer.Read(known).Rcode));
        _gate.SetResult();
    }

    [Fact]
    public async Task One_connection_carries_many_queries()
    {
        using var client = new TcpClient();
        await client.ConnectAsync(_udp.LocalEndPoint, TestContext.Current.CancellationToken);
        var stream = client.GetStream();
        for (ushort id = 1; id <= 3; id++)
        {
            var query = DnsFixture.Query("many.default.svc.cluster.local", DnsType.A, id: id);
            byte[] framed = [(byte)(query.Length >> 8), (byte)query.Length, .. query];
            await stream.WriteAsync(framed, TestContext.Current.CancellationToken);
            var prefix = new byte[2];
            await stream.ReadExactlyAsync(prefix, TestContext.Current.CancellationToken);
            var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
            await stream.ReadExactlyAsync(answer, TestContext.Current.CancellationToken);
            Assert.Equal(id, BinaryPrimitives.ReadUInt16BigEndian(answer));
        }
    }

    [Fact]
    public void Only_the_answer_to_the_question_is_believed()
    {
        var query = DnsFixture.Query("www.example.com", DnsType.A);
        var answer = DnsFixture.Query("WWW.example.com", DnsType.A);
        answer[2] |= 0x80;
        Assert.True(Upstream.Fits(answer, query, query.Length));

        Assert.False(Upstream.Fits(query, query, query.Length));
        answer[1] ^= 1;
        Assert.False(Upstream.Fits(answer, query, query.Length));
        var other = DnsFixture.Query("xxx.example.com", DnsType.A);
        other[2] |= 0x80;
        Assert.False(Upstream.Fits(other, query, query.Length));
    }
}
