using Trireme.Proxy.Services;

namespace Trireme.Proxy.Tests.Services;

public class StaleFlowsTests
{
    private const string Listing = """
        udp      17 28 src=10.201.9.9 dst=10.96.0.7 sport=5353 dport=53 src=10.201.1.5 dst=10.201.9.9 sport=53 dport=5353 [ASSURED] mark=0 use=1
        udp      17 28 src=10.201.9.9 dst=10.96.0.7 sport=5354 dport=53 src=10.201.2.5 dst=10.201.9.9 sport=53 dport=5354 [ASSURED] mark=0 use=1
        udp      17 28 src=10.201.9.9 dst=10.96.0.7 sport=5355 dport=53 [UNREPLIED] src=10.96.0.7 dst=10.201.9.9 sport=53 dport=5355 mark=0 use=1
        udp      17 28 src=192.0.2.50 dst=10.99.1.1 sport=5353 dport=30053 src=10.201.1.5 dst=10.99.1.1 sport=53 dport=5353 mark=0 use=1
        udp      17 28 src=192.0.2.50 dst=192.0.2.1 sport=5353 dport=53 src=10.201.1.5 dst=192.0.2.50 sport=53 dport=5353 mark=0 use=1
        udp      17 28 src=10.201.9.9 dst=198.51.100.1 sport=5353 dport=30053 src=198.51.100.1 dst=10.201.9.9 sport=30053 dport=5353 mark=0 use=1
        """;

    [Fact]
    public void Flows_to_backends_that_are_gone_are_stale_whatever_address_they_came_by() =>
        Assert.Equal(
            ["10.96.0.7:53 10.201.1.5", "10.96.0.7:53 10.96.0.7", "10.99.1.1:30053 10.201.1.5", "192.0.2.1:53 10.201.1.5"],
            Stale([], [Dns("10.201.2.5")]));

    [Fact]
    public void What_began_before_there_was_a_backend_is_forgotten_when_there_is_one()
    {
        Assert.Equal(["10.96.0.7:53 10.96.0.7"], Stale([], [Dns("10.201.1.5", "10.201.2.5")]));
        Assert.DoesNotContain("10.96.0.7:53 10.96.0.7", Stale([], [Dns()]));
    }

    [Fact]
    public void Nobody_serves_what_a_service_left_that_is_gone()
    {
        Assert.Equal(4, Stale([Dns("10.201.1.5")], []).Count());
        Assert.Empty(Stale([Dns("10.201.1.5") with { Protocol = "tcp" }], []));
    }

    [Fact]
    public void A_change_of_external_backends_alone_counts()
    {
        var before = Dns("10.201.1.5", "10.201.2.5");

        Assert.True(StaleFlows.Differ([before], [before with { ExternalBackends = [new Backend("10.201.1.5", 53)] }]));
        Assert.False(StaleFlows.Differ([before], [Dns("10.201.1.5", "10.201.2.5")]));
        Assert.False(StaleFlows.Differ([before with { Protocol = "tcp" }], []));
    }

    private static IEnumerable<string> Stale(IReadOnlyList<ServicePortRule> before, IReadOnlyList<ServicePortRule> after) =>
        StaleFlows.Of(UdpFlow.Parse(Listing), before, after).Select(f => $"{f.Destination}:{f.Port} {f.Backend}").Order(StringComparer.Ordinal);

    private static ServicePortRule Dns(params string[] backends)
    {
        Backend[] all = [.. backends.Select(b => new Backend(b, 53))];
        return new ServicePortRule
        {
            Name = "kube-system/dns:dns/53", Protocol = "udp", Port = 53, ClusterAddress = "10.96.0.7", NodePort = 30053, ExternalAddresses = ["192.0.2.1"], Backends = all, ExternalBackends = all,
        };
    }
}
