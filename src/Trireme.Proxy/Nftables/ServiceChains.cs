using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Trireme.Proxy.Services;

namespace Trireme.Proxy.Nftables;

/// <summary>The rules of one service port as text: its chains and sets, and the map elements that lead to them.</summary>
/// <param name="Definitions">Chain or set name to its content; chains that others go to come first.</param>
/// <param name="Elements">Elements of the table's maps and sets: map name and element.</param>
internal sealed record ServiceChains(IReadOnlyList<KeyValuePair<string, string>> Definitions, IReadOnlyList<(string Map, string Element)> Elements)
{
    /// <summary>Mark of packets whose source must become the node's, so that answers come back this way.</summary>
    public const string MasqueradeMark = "0x4000";

    /// <summary>Renders a rule.</summary>
    /// <remarks>
    /// Without affinity one rule sends a packet to a backend drawn at random from an anonymous map, whatever their number. With affinity every
    /// backend has a chain and a set of clients that stay with it.
    /// </remarks>
    public static ServiceChains Of(ServicePortRule rule)
    {
        var definitions = new List<KeyValuePair<string, string>>();
        var elements = new List<(string, string)>();
        var id = Identify(rule.Name + "/" + rule.Protocol);
        var cluster = AddBalancing(definitions, "svc-" + id, rule, rule.Backends);
        if (cluster is not null)
        {
            elements.Add(("services", $"{rule.ClusterAddress} . {rule.Protocol} . {rule.Port} : goto {cluster}"));
        }

        var outside = rule.ExternalAddresses.Select(a => ("services", $"{a} . {rule.Protocol} . {rule.Port}")).ToList();
        if (rule.NodePort > 0)
        {
            outside.Add(("node-ports", $"{rule.Protocol} . {rule.NodePort}"));
        }

        if (outside.Count > 0 && rule.ExternalBackends.Count > 0)
        {
            var target = rule.ExternalBackends.SequenceEqual(rule.Backends) ? cluster! : AddBalancing(definitions, "out-" + id, rule, rule.ExternalBackends)!;
            if (!rule.PreserveSource)
            {
                // Another node's pod would answer the client directly, which knows nothing of it: answers must come back through here.
                var marking = "ext-" + id;
                definitions.Add(new(marking, $"meta mark set meta mark or {MasqueradeMark}\ngoto {target}\n"));
                target = marking;
            }

            elements.AddRange(outside.Select(o => (o.Item1, $"{o.Item2} : goto {target}")));
        }

        elements.AddRange(rule.Backends.Concat(rule.ExternalBackends).Select(b => b.Address).Distinct().Select(a => ("hairpin", $"{a} . {a}")));
        return new ServiceChains(definitions, elements);
    }

    private static string? AddBalancing(List<KeyValuePair<string, string>> definitions, string chain, ServicePortRule rule, IReadOnlyList<Backend> backends)
    {
        if (backends.Count == 0)
        {
            return null;
        }

        if (rule.Affinity is not { } affinity)
        {
            definitions.Add(new(chain, backends.Count == 1
                ? $"meta l4proto {rule.Protocol} dnat ip to {backends[0]}\n"
                : $"meta l4proto {rule.Protocol} dnat ip to numgen random mod {backends.Count} map {{ {string.Join(", ", backends.Select((b, i) => $"{i} : {b.Address} . {b.Port}"))} }}\n"));
            return chain;
        }

        var body = new StringBuilder();
        foreach (var backend in backends)
        {
            var suffix = $"{chain}-{Identify(backend.ToString())}";
            var clients = "aff-" + suffix;
            var seconds = (int)affinity.TotalSeconds;
            definitions.Add(new(clients, string.Create(CultureInfo.InvariantCulture, $"type ipv4_addr\nflags dynamic,timeout\ntimeout {seconds}s\n")));
            definitions.Add(new("ep-" + suffix, $"update @{clients} {{ ip saddr }} meta l4proto {rule.Protocol} dnat ip to {backend}\n"));
            body.Append(CultureInfo.InvariantCulture, $"ip saddr @{clients} goto ep-{suffix}\n");
        }

        body.Append(CultureInfo.InvariantCulture, $"numgen random mod {backends.Count} vmap {{ {string.Join(", ", backends.Select((b, i) => $"{i} : goto ep-{chain}-{Identify(b.ToString())}"))} }}\n");
        definitions.Add(new(chain, body.ToString()));
        return chain;
    }

    private static string Identify(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 6));
}
