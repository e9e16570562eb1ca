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

    /// <summary>What the names of sets of clients begin with.</summary>
    public const string AffinityPrefix = "aff-";

    /// <summary>What the names of chains and sets of services begin with; all others belong to the table itself.</summary>
    public static readonly string[] Prefixes = ["svc-", "out-", "ext-", "lb-", "ep-", AffinityPrefix];

    /// <summary>Renders a rule.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="clusterCidr">Range of pod addresses.</param>
    /// <remarks>
    /// Traffic from outside enters by a chain of its own, that to a load balancer by another before it, where sources are checked.
    /// Without affinity one rule sends a packet to a backend drawn at random from an anonymous map, whatever their number. With affinity every
    /// backend has a chain and a set of clients that stay with it; a client for which the set has no room is served all the same.
    /// </remarks>
    public static ServiceChains Of(ServicePortRule rule, string clusterCidr)
    {
        var definitions = new List<KeyValuePair<string, string>>();
        var elements = new List<(string, string)>();
        var id = Identify(rule.Name + "/" + rule.Protocol);
        var cluster = AddBalancing(definitions, "svc-" + id, rule, rule.Backends);
        if (cluster is not null)
        {
            elements.Add(("services", $"{rule.ClusterAddress} . {rule.Protocol} . {rule.Port} : goto {cluster}"));
        }

        if (rule.ExternalAddresses.Count > 0 || rule.NodePort > 0)
        {
            AddOutside(definitions, elements, id, rule, cluster, clusterCidr);
        }

        elements.AddRange(rule.Backends.Concat(rule.ExternalBackends).Select(b => b.Address).Distinct().Select(a => ("hairpin", $"{a} . {a}")));
        return new ServiceChains(definitions, elements);
    }

    private static void AddOutside(
        List<KeyValuePair<string, string>> definitions, List<(string, string)> elements, string id, ServicePortRule rule, string? cluster, string clusterCidr)
    {
        if (rule.Backends.Count + rule.ExternalBackends.Count == 0)
        {
            // Refused at once; a node port is refused by the kernel itself, as nobody listens there.
            elements.AddRange(rule.ExternalAddresses.Select(a => ("refused", $"{a} . {rule.Protocol} . {rule.Port}")));
            return;
        }

        var target = rule.ExternalBackends.Count == 0 ? null
            : rule.ExternalBackends.SequenceEqual(rule.Backends) ? cluster : AddBalancing(definitions, "out-" + id, rule, rule.ExternalBackends);
        var entry = "ext-" + id;
        definitions.Add(new(entry, Entry()));
        if (rule.NodePort > 0)
        {
            elements.Add(("node-ports", $"{rule.Protocol} . {rule.NodePort} : goto {entry}"));
        }

        var guarded = entry;
        if (rule.SourceRanges is { } ranges && rule.LoadBalancerAddresses.Count > 0)
        {
            guarded = "lb-" + id;
            definitions.Add(new(guarded, ranges.Count == 0 ? "drop\n" : $"ip saddr != {{ {string.Join(", ", ranges)} }} drop\ngoto {entry}\n"));
        }

        elements.AddRange(rule.ExternalAddresses.Select(a =>
            ("services", $"{a} . {rule.Protocol} . {rule.Port} : goto {(rule.LoadBalancerAddresses.Contains(a) ? guarded : entry)}")));

        string Entry()
        {
            if (!rule.PreserveSource)
            {
                // Another node's pod would answer the client directly, which knows nothing of it: answers must come back through here.
                return $"meta mark set meta mark or {MasqueradeMark}\ngoto {target ?? cluster}\n";
            }

            // The policy is about clients outside: pods and the node itself reach every backend. Whoever comes from outside to a node without a backend has
            // come to the wrong one, and tries another when nothing answers.
            var inside = cluster is null ? ""
                : $"ip saddr {clusterCidr} goto {cluster}\n"
                + $"fib saddr type local meta mark set meta mark or {MasqueradeMark}\n"
                + $"fib saddr type local goto {cluster}\n";
            return inside + (target is null ? "drop\n" : $"goto {target}\n");
        }
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
            var clients = AffinityPrefix + suffix;
            var seconds = (int)affinity.TotalSeconds;
            definitions.Add(new(clients, string.Create(CultureInfo.InvariantCulture, $"type ipv4_addr\nflags dynamic,timeout\ntimeout {seconds}s\n")));
            definitions.Add(new("ep-" + suffix, $"update @{clients} {{ ip saddr }}\nmeta l4proto {rule.Protocol} dnat ip to {backend}\n"));
            body.Append(CultureInfo.InvariantCulture, $"ip saddr @{clients} goto ep-{suffix}\n");
        }

        body.Append(CultureInfo.InvariantCulture, $"numgen random mod {backends.Count} vmap {{ {string.Join(", ", backends.Select((b, i) => $"{i} : goto ep-{chain}-{Identify(b.ToString())}"))} }}\n");
        definitions.Add(new(chain, body.ToString()));
        return chain;
    }

    private static string Identify(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 6));
}
