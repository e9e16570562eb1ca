using Trireme.Api.Models.Core.V1;

namespace Trireme.Proxy.PodNetwork;

/// <summary>How a node reaches the pods of every other node: by a route to it. Pure.</summary>
/// <remarks>Nodes share a link (a lab, a rack); for nodes behind a router the router must know the routes too, as with any host-gateway network.</remarks>
public static class NodeRoutes
{
    /// <summary>Pod range to the address of its node, for all nodes but this one.</summary>
    public static IReadOnlyDictionary<string, string> Build(IEnumerable<Node> nodes, string nodeName)
    {
        var routes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var node in nodes)
        {
            if (node.Metadata.Name != nodeName && node.Spec?.PodCIDR is { Length: > 0 } range && AddressOf(node) is { } address)
            {
                routes[range] = address;
            }
        }

        return routes;
    }

    /// <summary>Commands for <c>ip -batch</c> that turn one set of routes into another; empty when nothing differs.</summary>
    public static string ToBatch(IReadOnlyDictionary<string, string> wanted, IReadOnlyDictionary<string, string> current)
    {
        var lines = wanted.Where(r => !current.TryGetValue(r.Key, out var via) || via != r.Value).Select(r => $"route replace {r.Key} via {r.Value} proto 84")
            .Concat(current.Keys.Where(r => !wanted.ContainsKey(r)).Select(r => $"route del {r} proto 84"));
        return string.Join('\n', lines);
    }

    private static string? AddressOf(Node node) => node.Status?.Addresses?.FirstOrDefault(a => a.Type == "InternalIP")?.Address;
}
