using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Proxy.Services;
using EndpointPort = Trireme.Api.Models.Discovery.V1.EndpointPort;

namespace Trireme.Proxy.Tests.Services;

public class ServiceMapTests
{
    [Fact]
    public void Ready_endpoints_stand_behind_a_service()
    {
        var rule = Assert.Single(ServiceMap.Build([Web()], [Slice(Pod("10.201.1.5"), Pod("10.201.2.5"), Pod("10.201.3.5", ready: false))], "n1"));

        Assert.Equal("10.96.0.7", rule.ClusterAddress);
        Assert.Equal([new Backend("10.201.1.5", 8080), new Backend("10.201.2.5", 8080)], rule.Backends);
    }

    [Fact]
    public void Endpoints_that_terminate_but_still_serve_are_the_last_resort()
    {
        var draining = Pod("10.201.1.5", ready: false, serving: true, terminating: true);

        Assert.Equal("10.201.1.5", Assert.Single(Assert.Single(ServiceMap.Build([Web()], [Slice(draining)], "n1")).Backends).Address);
        Assert.Equal("10.201.2.5", Assert.Single(Assert.Single(ServiceMap.Build([Web()], [Slice(draining, Pod("10.201.2.5"))], "n1")).Backends).Address);
    }

    [Fact]
    public void External_traffic_policy_local_keeps_node_port_traffic_on_the_node()
    {
        var service = Web();
        service.Spec!.Type = "NodePort";
        service.Spec.ExternalTrafficPolicy = "Local";
        service.Spec.Ports![0].NodePort = 30080;

        var rule = Assert.Single(ServiceMap.Build([service], [Slice(Pod("10.201.1.5", node: "n1"), Pod("10.201.2.5", node: "n2"))], "n1"));

        Assert.Equal(2, rule.Backends.Count);
        Assert.Equal("10.201.1.5", Assert.Single(rule.ExternalBackends).Address);
        Assert.True(rule.PreserveSource);
    }

    [Theory]
    [InlineData("None", "ClusterIP")]
    [InlineData("", "ClusterIP")]
    [InlineData("fd00::1", "ClusterIP")]
    [InlineData("10.96.0.7", "ExternalName")]
    public void Services_without_an_address_of_their_own_have_no_rules(string clusterIP, string type)
    {
        var service = Web();
        service.Spec!.ClusterIP = clusterIP;
        service.Spec.Type = type;

        Assert.Empty(ServiceMap.Build([service], [Slice(Pod("10.201.1.5"))], "n1"));
    }

    [Fact]
    public void Slices_of_another_service_or_port_do_not_count()
    {
        var other = Slice(Pod("10.201.9.9"));
        other.Metadata.Labels!["kubernetes.io/service-name"] = "other";
        var otherPort = Slice(Pod("10.201.9.8"));
        otherPort.Ports![0].Name = "metrics";

        Assert.Empty(Assert.Single(ServiceMap.Build([Web()], [other, otherPort], "n1")).Backends);
    }

    [Fact]
    public void Source_ranges_guard_the_load_balancer_and_lie_apart()
    {
        var service = Web();
        service.Spec!.Type = "LoadBalancer";
        service.Spec.ExternalIPs = ["192.0.2.9"];
        service.Spec.LoadBalancerSourceRanges = [" 10.0.0.0/8", "10.1.2.0/24", "192.168.5.7/16", "fd00::/8"];
        service.Status = new ServiceStatus { LoadBalancer = new LoadBalancerStatus { Ingress = [new LoadBalancerIngress { Ip = "192.0.2.1" }] } };

        var rule = Assert.Single(ServiceMap.Build([service], [Slice(Pod("10.201.1.5"))], "n1"));

        Assert.Equal(["192.0.2.9", "192.0.2.1"], rule.ExternalAddresses);
        Assert.Equal(["192.0.2.1"], rule.LoadBalancerAddresses);
        Assert.Equal(["10.0.0.0/8", "192.168.0.0/16"], rule.SourceRanges);
    }

    internal static Service Web() => new()
    {
        Metadata = new ObjectMeta { Namespace = "default", Name = "web" },
        Spec = new ServiceSpec { ClusterIP = "10.96.0.7", Type = "ClusterIP", Ports = [new ServicePort { Name = "http", Port = 80, Protocol = "TCP" }] },
    };

    internal static EndpointSlice Slice(params Endpoint[] endpoints) => new()
    {
        AddressType = "IPv4",
        Metadata = new ObjectMeta { Namespace = "default", Name = "web-1", Labels = new() { ["kubernetes.io/service-name"] = "web" } },
        Ports = [new EndpointPort { Name = "http", Port = 8080, Protocol = "TCP" }],
        Endpoints = [.. endpoints],
    };

    internal static Endpoint Pod(string address, bool ready = true, bool serving = true, bool terminating = false, string node = "n1") => new()
    {
        Addresses = [address],
        NodeName = node,
        Conditions = new EndpointConditions { Ready = ready, Serving = serving, Terminating = terminating },
    };
}
