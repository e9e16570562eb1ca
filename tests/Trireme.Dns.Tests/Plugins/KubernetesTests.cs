using Trireme.Api.Models.Core.V1;
using Trireme.Dns.Wire;
using static Trireme.Dns.Tests.DnsFixture;

namespace Trireme.Dns.Tests.Plugins;

/// <summary>The Kubernetes specification of DNS-based service discovery 1.1.0, sentence by sentence.</summary>
public sealed class KubernetesTests
{
    private const string Soa = "cluster.local. 7 SOA";

    private readonly DnsFixture _dns = new DnsFixture()
        .Add(Service("web", ports: [("http", "TCP", 80), ("", "TCP", 81)]))
        .Add(Service("db", clusterIP: "None"), Slice("db", ("10.1.0.1", "db-0", true), ("10.1.0.2", "db-1", null), ("10.1.0.3", "db-2", false), ("10.1.0.4", null, true)));

    [Fact]
    public async Task A_service_has_its_cluster_address()
    {
        var answer = await _dns.AskAsync("web.default.svc.cluster.local");

        Assert.Equal(["web.default.svc.cluster.local. 5 A 10.96.0.20"], answer.Answers);
        Assert.True(answer.Authoritative);
    }

    [Fact]
    public async Task A_named_port_has_a_service_record_and_the_address_beside_it()
    {
        var answer = await _dns.AskAsync("_http._tcp.web.default.svc.cluster.local", DnsType.SRV, tcp: true);

        Assert.Equal(["_http._tcp.web.default.svc.cluster.local. 5 SRV 0 100 80 web.default.svc.cluster.local."], answer.Answers);
        Assert.Equal(["web.default.svc.cluster.local. 5 A 10.96.0.20"], answer.Additional);
    }

    [Fact]
    public async Task A_headless_service_has_the_addresses_of_its_ready_endpoints()
    {
        var answer = await _dns.AskAsync("db.default.svc.cluster.local");

        Assert.Equal(["10.1.0.1", "10.1.0.2", "10.1.0.4"], answer.Answers.Select(a => a.Split(' ')[^1]).Order());
    }

    [Fact]
    public async Task The_order_of_addresses_turns()
    {
        var first = new HashSet<string>();
        for (var i = 0; i < 50; i++)
        {
            first.Add((await _dns.AskAsync("db.default.svc.cluster.local")).Answers[0]);
        }

        Assert.Equal(3, first.Count);
    }

    [Theory]
    [InlineData("db-0.db.default.svc.cluster.local", "10.1.0.1")]
    [InlineData("10-1-0-4.db.default.svc.cluster.local", "10.1.0.4")]
    public async Task An_endpoint_has_a_name_of_its_own(string name, string address)
    {
        var answer = await _dns.AskAsync(name);
        Assert.Equal([$"{name}. 5 A {address}"], answer.Answers);
    }

    [Fact]
    public async Task Service_records_of_a_headless_service_lead_to_the_endpoints()
    {
        var answer = await _dns.AskAsync("_http._tcp.db.default.svc.cluster.local", DnsType.SRV, tcp: true);

        Assert.Equal(
            ["10-1-0-4.db.default.svc.cluster.local.", "db-0.db.default.svc.cluster.local.", "db-1.db.default.svc.cluster.local."],
            answer.Answers.Select(a => a.Split(' ')[^1]).Order());
        Assert.All(answer.Answers, a => Assert.Contains(" 0 100 8080 ", a, StringComparison.Ordinal));
        Assert.Equal(3, answer.Additional.Length);
    }

    [Theory]
    [InlineData("20.0.96.10.in-addr.arpa", "web.default.svc.cluster.local.")]
    [InlineData("1.0.1.10.in-addr.arpa", "db-0.db.default.svc.cluster.local.")]
    public async Task Addresses_lead_back_to_names(string name, string target)
    {
        var answer = await _dns.AskAsync(name, DnsType.PTR);
        Assert.Equal([$"{name}. 5 PTR {target}"], answer.Answers);
    }

    [Theory]
    [InlineData("1-2-3-4.default.pod.cluster.local", (ushort)DnsType.A, "1.2.3.4")]
    [InlineData("fd00--1.default.pod.cluster.local", (ushort)DnsType.AAAA, "fd00::1")]
    public async Task A_pod_has_a_name_made_of_its_address(string name, ushort type, string address)
    {
        var answer = await _dns.AskAsync(name, (DnsType)type);
        Assert.Equal([$"{name}. 5 {(DnsType)type} {address}"], answer.Answers);
    }

    [Theory]
    [InlineData("nosuch.default.svc.cluster.local", (ushort)DnsType.A, (int)Rcode.NameError)]
    [InlineData("web.nosuch.svc.cluster.local", (ushort)DnsType.A, (int)Rcode.NameError)]
    [InlineData("db-2.db.default.svc.cluster.local", (ushort)DnsType.A, (int)Rcode.NameError)] // not ready
    [InlineData("_http._udp.web.default.svc.cluster.local", (ushort)DnsType.SRV, (int)Rcode.NameError)]
    [InlineData("1-2-3-4.nosuch.pod.cluster.local", (ushort)DnsType.A, (int)Rcode.NameError)]
    [InlineData("1-2-3.default.pod.cluster.local", (ushort)DnsType.A, (int)Rcode.NameError)]
    [InlineData("1-2-3-4-5.default.pod.cluster.local", (ushort)DnsType.A, (int)Rcode.NameError)]
    [InlineData("web.default.svc.cluster.local", (ushort)DnsType.AAAA, (int)Rcode.NoError)]
    [InlineData("web.default.svc.cluster.local", (ushort)DnsType.TXT, (int)Rcode.NoError)]
    [InlineData("default.svc.cluster.local", (ushort)DnsType.A, (int)Rcode.NoError)] // a namespace without records of its own
    [InlineData("_tcp.web.default.svc.cluster.local", (ushort)DnsType.A, (int)Rcode.NoError)] // something lies below it
    [InlineData("default.pod.cluster.local", (ushort)DnsType.A, (int)Rcode.NoError)]
    [InlineData("1-2-3-4.default.pod.cluster.local", (ushort)DnsType.AAAA, (int)Rcode.NoError)]
    public async Task Absence_is_told_apart_from_emptiness_and_may_be_remembered_for_seconds(string name, ushort type, int rcode)
    {
        var answer = await _dns.AskAsync(name, (DnsType)type);

        Assert.Equal(rcode, (int)answer.Rcode);
        Assert.Empty(answer.Answers);
        Assert.StartsWith(Soa, Assert.Single(answer.Authority), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_external_name_is_an_alias_that_is_followed_outside()
    {
        var upstream = new FakeUpstream();
        var dns = new DnsFixture(upstream).Add(External("ext", "www.example.com"));
        var answer = await dns.AskAsync("ext.default.svc.cluster.local");

        Assert.Equal(["ext.default.svc.cluster.local. 5 CNAME www.example.com.", "www.example.com. 60 A 198.51.100.1"], answer.Answers);
        Assert.Equal(["ext.default.svc.cluster.local. 5 CNAME www.example.com."], (await dns.AskAsync("ext.default.svc.cluster.local", DnsType.CNAME)).Answers);
    }

    [Fact]
    public async Task An_external_name_may_lead_back_into_the_cluster_and_may_not_go_round_for_ever()
    {
        var answer = await _dns.Add(External("ext", "web.default.svc.cluster.local")).AskAsync("ext.default.svc.cluster.local");
        Assert.Equal("web.default.svc.cluster.local. 5 A 10.96.0.20", answer.Answers[^1]);

        answer = await _dns.Add(External("me", "me.default.svc.cluster.local")).AskAsync("me.default.svc.cluster.local");
        Assert.All(answer.Answers, a => Assert.EndsWith("CNAME me.default.svc.cluster.local.", a, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Before_anything_is_known_the_answer_is_failure_and_not_absence()
    {
        _dns.IsReady = false;
        Assert.Equal(Rcode.ServerFailure, (await _dns.AskAsync("web.default.svc.cluster.local")).Rcode);
    }

    [Fact]
    public async Task What_goes_away_is_gone_with_the_names_above_it_and_nothing_else()
    {
        _dns.Store.Remove("default/web");
        Assert.Equal(Rcode.NameError, (await _dns.AskAsync("_tcp.web.default.svc.cluster.local")).Rcode);
        Assert.Equal(Rcode.NoError, (await _dns.AskAsync("default.svc.cluster.local")).Rcode);
        Assert.NotEmpty((await _dns.AskAsync("db.default.svc.cluster.local")).Answers);

        _dns.Store.Remove("default/db");
        _dns.Store.Remove("namespace:default");
        Assert.Equal(0, _dns.Store.NameCount);
    }

    [Fact]
    public async Task Many_endpoints_are_cut_off_over_udp_and_whole_over_tcp()
    {
        var slice = Slice("many", [.. Enumerable.Range(1, 100).Select(i => ($"10.2.0.{i}", (string?)null, (bool?)true))]);
        _dns.Add(Service("many", clusterIP: "None"), slice);

        var small = await _dns.AskAsync("many.default.svc.cluster.local");
        Assert.True(small.Truncated);
        Assert.InRange(small.Packet.Length, 400, 512);
        var larger = await _dns.AskAsync("many.default.svc.cluster.local", edns: true);
        Assert.True(larger.Truncated && larger.Answers.Length > small.Answers.Length);
        var whole = await _dns.AskAsync("many.default.svc.cluster.local", tcp: true);
        Assert.False(whole.Truncated);
        Assert.Equal(100, whole.Answers.Length);
    }

    private static Service External(string name, string target)
    {
        var service = Service(name, clusterIP: null);
        service.Spec!.Type = "ExternalName";
        service.Spec.ExternalName = target;
        return service;
    }
}
