using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Proxy.PodNetwork;

namespace Trireme.Proxy.Tests.PodNetwork;

public class NodeRoutesTests
{
    [Fact]
    public void Every_other_node_with_a_range_and_an_address_gets_a_route()
    {
        var routes = NodeRoutes.Build([Node("n1", "10.201.1.0/24", "10.99.1.1"), Node("n2", "10.201.2.0/24", "10.99.1.2"), Node("n3", null, "10.99.1.3"), Node("n4", "10.201.4.0/24", null)], "n1");

        Assert.Equal(new Dictionary<string, string> { ["10.201.2.0/24"] = "10.99.1.2" }, routes);
    }

    [Fact]
    public void A_batch_replaces_what_changed_and_removes_what_went()
    {
        var current = new Dictionary<string, string> { ["10.201.2.0/24"] = "10.99.1.2", ["10.201.3.0/24"] = "10.99.1.3" };
        var wanted = new Dictionary<string, string> { ["10.201.2.0/24"] = "10.99.1.22" };

        Assert.Equal(
            ["route replace 10.201.2.0/24 via 10.99.1.22 proto 84", "route del 10.201.3.0/24 proto 84"],
            NodeRoutes.Changes(wanted, current).Select(c => c.Command));
        Assert.Empty(NodeRoutes.Changes(wanted, wanted));
    }

    [Fact]
    public void A_gateway_of_another_family_is_passed_over()
    {
        var both = Node("n2", "10.201.2.0/24", "fd00::2");
        both.Status!.Addresses!.Add(new NodeAddress { Type = "InternalIP", Address = "10.99.1.2" });

        Assert.Equal(
            new Dictionary<string, string> { ["10.201.2.0/24"] = "10.99.1.2" },
            NodeRoutes.Build([both, Node("n3", "10.201.3.0/24", "fd00::3"), Node("n4", "fd01::/64", "10.99.1.4")], "n1"));
    }

    [Fact]
    public void Routes_of_the_kernel_are_read() =>
        Assert.Equal(
            new Dictionary<string, string> { ["10.201.2.0/24"] = "10.99.1.2", ["10.201.3.0/24"] = "10.99.1.3" },
            NodeRoutes.Parse("10.201.2.0/24 via 10.99.1.2 dev eth0 \n10.201.3.0/24 via 10.99.1.3 dev eth0 linkdown\n10.201.4.0/24 dev cni0 scope link\n"));

    [Fact]
    public void The_network_configuration_names_the_nodes_range_and_its_own_state()
    {
        var text = System.Text.Encoding.UTF8.GetString(CniConfig.Build("10.201.7.0/24", "/data/cni", 1450));

        Assert.Contains("\"subnet\": \"10.201.7.0/24\"", text, StringComparison.Ordinal);
        Assert.Contains("\"dataDir\": \"/data/cni\"", text, StringComparison.Ordinal);
        Assert.Contains("\"mtu\": 1450", text, StringComparison.Ordinal);
    }

    private static Node Node(string name, string? podCidr, string? address) => new()
    {
        Metadata = new ObjectMeta { Name = name },
        Spec = new NodeSpec { PodCIDR = podCidr },
        Status = new NodeStatus { Addresses = address is null ? [] : [new NodeAddress { Type = "InternalIP", Address = address }] },
    };
}
