using System.Buffers.Binary;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Component.Metrics;
using Trireme.Dns.Plugins.Cache;
using Trireme.Dns.Plugins.Errors;
using Trireme.Dns.Plugins.Forward;
using Trireme.Dns.Plugins.Kubernetes;
using Trireme.Dns.Transport;
using Trireme.Dns.Wire;
using EndpointPort = Trireme.Api.Models.Discovery.V1.EndpointPort;

namespace Trireme.Dns.Tests;

/// <summary>The whole chain over values: a store that the test fills, upstreams that the test plays, a clock that the test moves.</summary>
internal sealed class DnsFixture
{
    public static readonly DnsName Zone = DnsName.Parse("cluster.local");

    public DnsFixture(params FakeUpstream[] upstreams)
    {
        Forward = new ForwardPlugin(upstreams, Time, NullLogger.Instance);
        Loop = new LoopPlugin(Forward, new Random(1), NullLogger.Instance);
        var metrics = new MetricsRegistry();
        Handler = new QueryHandler(new Chain(
        [
            new ErrorsPlugin(metrics, Time, NullLogger.Instance),
            Loop,
            new KubernetesPlugin(Store, Zone, 5, 7, () => IsReady, new Random(1)),
            new CachePlugin(new CacheOptions(), metrics, Time, () => Forward.AllAreDown),
            Forward,
        ]));
        Store.Replace("namespace:default", [], [DnsName.Parse("default.svc.cluster.local")]);
    }

    public FakeTimeProvider Time { get; } = new();

    public RecordStore Store { get; } = new();

    public ForwardPlugin Forward { get; }

    public LoopPlugin Loop { get; }

    public QueryHandler Handler { get; }

    public bool IsReady { get; set; } = true;

    public static Service Service(string name, string? clusterIP = "10.96.0.20", params (string Name, string Protocol, int Port)[] ports) => new()
    {
        Metadata = new ObjectMeta { Name = name, Namespace = "default" },
        Spec = new ServiceSpec
        {
            ClusterIP = clusterIP,
            Ports = [.. ports.Select(p => new ServicePort { Name = p.Name, Protocol = p.Protocol, Port = p.Port })],
        },
    };

    public static EndpointSlice Slice(string service, params (string Address, string? Hostname, bool? Ready)[] endpoints) => new()
    {
        Metadata = new ObjectMeta { Name = service + "-1", Namespace = "default", Labels = new() { ["kubernetes.io/service-name"] = service } },
        AddressType = "IPv4",
        Ports = [new EndpointPort { Name = "http", Protocol = "TCP", Port = 8080 }],
        Endpoints = [.. endpoints.Select(e => new Endpoint
        {
            Addresses = [e.Address],
            Hostname = e.Hostname,
            Conditions = new EndpointConditions { Ready = e.Ready },
        })],
    };

    public DnsFixture Add(Service service, params EndpointSlice[] slices)
    {
        Store.Replace($"default/{service.Metadata.Name}", ServiceRecords.Of(service, slices, Zone, 5));
        return this;
    }

    public static byte[] Query(string name, DnsType type, bool edns = false, ushort id = 0x1234)
    {
        var wire = Wire(name);
        byte[] packet = [(byte)(id >> 8), (byte)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, (byte)(edns ? 1 : 0), .. wire, (byte)((int)type >> 8), (byte)type, 0, 1];
        return edns ? [.. packet, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0] : packet;
    }

    /// <summary>Sends a query through everything.</summary>
    public async Task<Answer> AskAsync(string name, DnsType type = DnsType.A, bool edns = false, bool tcp = false, bool mayWait = true)
    {
        var response = new byte[65_536];
        var length = await Handler.HandleAsync(Query(name, type, edns), tcp, response, TestContext.Current.CancellationToken, mayWait);
        return Answer.Read(response[..length]);
    }

    /// <summary>The name as it is typed, letters kept.</summary>
    private static byte[] Wire(string name) =>
        [.. name.TrimEnd('.').Split('.', StringSplitOptions.RemoveEmptyEntries).SelectMany(l => new[] { (byte)l.Length }.Concat(System.Text.Encoding.ASCII.GetBytes(l))), 0];
}

/// <summary>A response, read.</summary>
internal sealed record Answer(Rcode Rcode, bool Authoritative, bool Truncated, string[] Answers, string[] Authority, string[] Additional, byte[] Packet)
{
    public static Answer Read(byte[] packet)
    {
        var sections = new List<string>[] { [], [], [] };
        var reader = new DnsMessageReader(packet);
        if (reader.QuestionCount == 1)
        {
            Assert.True(reader.TryReadQuestion(new byte[255], out _, out _, out _));
        }

        while (reader.TryReadRecord(out var position))
        {
            if (position.Type == DnsType.OPT)
            {
                sections[2].Add($"OPT {position.Class}");
                continue;
            }

            Assert.True(reader.TryCopy(position, out var record));
            sections[position.Section].Add(record!.ToString());
        }

        Assert.False(reader.IsMalformed);
        return new Answer(
            (Rcode)(packet[3] & 0xF), (packet[2] & 4) != 0, (packet[2] & 2) != 0, [.. sections[0]], [.. sections[1]], [.. sections[2]], packet);
    }
}

/// <summary>A server that answers as the test says.</summary>
internal sealed class FakeUpstream(string address = "192.0.2.1") : IUpstream
{
    public IPEndPoint Server { get; } = new(IPAddress.Parse(address), 53);

    private int _asked;

    public int Asked => Volatile.Read(ref _asked);

    /// <summary>Null: it does not answer at all.</summary>
    public Func<DnsRequest, DnsRecord[]>? Answer { get; set; } = r => [DnsRecord.Address(DnsName.FromWire(r.Name), IPAddress.Parse("198.51.100.1"), 60)];

    public Rcode Rcode { get; set; }

    /// <summary>Called with each query before it is answered.</summary>
    public Func<byte[], Task>? OnQuery { get; set; }

    public async Task<byte[]> ExchangeAsync(ReadOnlyMemory<byte> query, bool useTcp, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _asked);
        if (OnQuery is not null)
        {
            await OnQuery(query.ToArray());
        }

        if (Answer is null)
        {
            throw new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.ConnectionRefused);
        }

        var request = new DnsRequest();
        Assert.True(request.TryRead(query.Span, useTcp, out _));
        var buffer = new byte[4096];
        var soa = DnsRecord.Soa(DnsName.Parse("example.com"), DnsName.Parse("ns.example.com"), DnsName.Parse("root.example.com"), 1, 20);
        var answers = Answer(request).ToList();
        var length = new DnsMessageWriter(buffer, request).Write(Rcode, false, answers, answers.Count == 0 ? [soa] : [], []);
        BinaryPrimitives.WriteUInt16BigEndian(buffer, request.Id);
        return buffer[..length];
    }
}
