using System.Net;
using System.Net.Sockets;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Proxy.PodNetwork;

/// <summary>How a node reaches the pods of every other node: by a route to it. Pure.</summary>
/// <remarks>Nodes share a link (a lab, a rack); for nodes behind a router the router must know the routes too, as with any host-gateway network.</remarks>
public static class NodeRoutes
{
    /// <summary>Number by which the kernel's table tells our routes from others.</summary>
    public const string Protocol = "84";

    /// <summary>Pod range to the address of its node, for all nodes but this one; IPv4, as services and pods are.</summary>
    public static IReadOnlyDictionary<string, string> Build(IEnumerable<Node> nodes, string nodeName)
    {
        var routes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var node in nodes)
        {
            if (node.Metadata.Name != nodeName && node.Spec?.PodCIDR is { Length: > 0 } range && IsIPv4(range.Split('/')[0]) && AddressOf(node) is { } address)
            {
                routes[range] = address;
            }
        }

        return routes;
    }

    /// <summary>Commands for <c>ip -batch</c> that turn one set of routes into another, by range; empty when nothing differs.</summary>
    public static IReadOnlyList<(string Range, string Command)> Changes(IReadOnlyDictionary<string, string> wanted, IReadOnlyDictionary<string, string> current) =>
    [
        .. wanted.Where(r => !current.TryGetValue(r.Key, out var via) || via != r.Value).Select(r => (r.Key, $"route replace {r.Key} via {r.Value} proto {Protocol}")),
        .. current.Keys.Where(r => !wanted.ContainsKey(r)).Select(r => (r, $"route del {r} proto {Protocol}")),
    ];

    /// <summary>Commands that make a set of routes, whatever there was.</summary>
    public static string ToBatch(IReadOnlyDictionary<string, string> wanted) =>
        string.Join('\n', Changes(wanted, new Dictionary<string, string>()).Select(c => c.Command));

    /// <summary>Reads <c>ip route show</c>: <c>10.201.2.0/24 via 10.99.1.2 dev eth0</c>.</summary>
    public static IReadOnlyDictionary<string, string> Parse(string listing)
    {
        var routes = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in listing.Split('\n'))
        {
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var range, "via", var gateway, ..])
            {
                routes[range] = gateway;
            }
        }

        return routes;
    }

    private static string? AddressOf(Node node) =>
        node.Status?.Addresses?.FirstOrDefault(a => a.Type == "InternalIP" && a.Address is not null && IsIPv4(a.Address))?.Address;

    private static bool IsIPv4(string address) => IPAddress.TryParse(address, out var parsed) && parsed.AddressFamily == AddressFamily.InterNetwork;
}
