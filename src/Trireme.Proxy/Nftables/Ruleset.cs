using System.Text;
using Trireme.Proxy.Services;

namespace Trireme.Proxy.Nftables;

/// <summary>The proxy's table as it should be, and the shortest script that turns one state of it into another. Pure.</summary>
/// <remarks>
/// A whole table of two thousand services takes most of a second to load, an increment some milliseconds: so a change loads only the chains it
/// touches. Every script is one transaction: packets see the old rules or the new ones.
/// </remarks>
public sealed class Ruleset
{
    /// <summary>Name of the table, family ip.</summary>
    public const string Table = "trireme-proxy";

    // Maps and sets of the table itself, whose elements are all ours.
    private static readonly (string Kind, string Name)[] Containers = [("map", "services"), ("map", "node-ports"), ("set", "hairpin"), ("set", "refused")];

    private readonly List<KeyValuePair<string, string>> _definitions = [];
    private readonly Dictionary<string, string> _byName = new(StringComparer.Ordinal);
    private readonly HashSet<(string Map, string Element)> _elements = [];
    private readonly string _base;

    private Ruleset(string @base) => _base = @base;

    /// <summary>The table for these services.</summary>
    /// <param name="rules">All rules of this node.</param>
    /// <param name="clusterCidr">Range of pod addresses.</param>
    /// <param name="serviceCidr">Range of service addresses.</param>
    /// <param name="podCidr">The node's own pod range; null while it has none.</param>
    public static Ruleset Build(IEnumerable<ServicePortRule> rules, string clusterCidr, string serviceCidr, string? podCidr)
    {
        var ruleset = new Ruleset(Base(clusterCidr, serviceCidr, podCidr));
        foreach (var rule in rules)
        {
            var chains = ServiceChains.Of(rule, clusterCidr);
            foreach (var definition in chains.Definitions)
            {
                ruleset._definitions.Add(definition);
                ruleset._byName[definition.Key] = definition.Value;
            }

            ruleset._elements.UnionWith(chains.Elements);
        }

        return ruleset;
    }

    /// <summary>A script that makes the table anew, whatever was there.</summary>
    public string ToScript()
    {
        var script = new StringBuilder();
        script.Append("table ip ").Append(Table).Append(" { }\ndelete table ip ").Append(Table).Append('\n');
        script.Append("table ip ").Append(Table).Append(" {\n").Append(_base);
        foreach (var (name, body) in _definitions)
        {
            AppendDefinition(script, name, body);
        }

        script.Append("}\n");
        AppendElements(script, "add", _elements);
        return script.ToString();
    }

    /// <summary>A script that makes the table what it should be whatever rules it has, but keeps the clients that stay with a backend.</summary>
    /// <param name="present">Names of the chains and sets that the table has.</param>
    public string ToScriptOver(IReadOnlyCollection<string> present)
    {
        var script = new StringBuilder();
        script.Append("flush table ip ").Append(Table).Append('\n');
        foreach (var (kind, name) in Containers.Where(c => present.Contains(c.Name)))
        {
            script.Append("flush ").Append(kind).Append(" ip ").Append(Table).Append(' ').Append(name).Append('\n');
        }

        script.Append("table ip ").Append(Table).Append(" {\n").Append(_base);
        foreach (var (name, body) in _definitions)
        {
            AppendDefinition(script, name, body);
        }

        script.Append("}\n");
        AppendDeletions(script, present.Where(n => IsOfService(n) && !_byName.ContainsKey(n)));
        AppendElements(script, "add", _elements);
        return script.ToString();
    }

    /// <summary>Names of the chains, sets and maps in what <c>nft list table</c> says.</summary>
    public static IReadOnlyCollection<string> NamesIn(string listing)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var line in listing.Split('\n'))
        {
            if (line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is ["chain" or "set" or "map", var name, "{", ..])
            {
                names.Add(name);
            }
        }

        return names;
    }

    /// <summary>A script that turns <paramref name="current"/> into this; empty when nothing differs.</summary>
    public string ToScriptFrom(Ruleset current)
    {
        if (current._base != _base)
        {
            return ToScript();
        }

        var script = new StringBuilder();
        AppendElements(script, "delete", current._elements.Where(e => !_elements.Contains(e)));

        // A set cannot change its properties in place; affinity sets that differ are few, and then the whole table is made anew.
        var changed = _definitions.Where(d => !current._byName.TryGetValue(d.Key, out var before) || before != d.Value).ToList();
        if (changed.Any(d => IsSet(d.Key) && current._byName.ContainsKey(d.Key)))
        {
            return ToScript();
        }

        foreach (var (name, _) in changed.Where(d => !IsSet(d.Key) && current._byName.ContainsKey(d.Key)))
        {
            script.Append("flush chain ip ").Append(Table).Append(' ').Append(name).Append('\n');
        }

        if (changed.Count > 0)
        {
            script.Append("table ip ").Append(Table).Append(" {\n");
            foreach (var (name, body) in changed)
            {
                AppendDefinition(script, name, body);
            }

            script.Append("}\n");
        }

        // Flushing all that goes before deleting any of it releases what they refer to, in whatever order they stand.
        var gone = current._definitions.Where(d => !_byName.ContainsKey(d.Key)).Select(d => d.Key).ToList();
        foreach (var name in gone.Where(n => !IsSet(n)))
        {
            script.Append("flush chain ip ").Append(Table).Append(' ').Append(name).Append('\n');
        }

        AppendDeletions(script, gone);
        AppendElements(script, "add", _elements.Where(e => !current._elements.Contains(e)));
        return script.ToString();
    }

    private static bool IsSet(string name) => name.StartsWith(ServiceChains.AffinityPrefix, StringComparison.Ordinal);

    private static bool IsOfService(string name) => ServiceChains.Prefixes.Any(p => name.StartsWith(p, StringComparison.Ordinal));

    private static void AppendDeletions(StringBuilder script, IEnumerable<string> names)
    {
        foreach (var name in names.OrderBy(IsSet))
        {
            script.Append(IsSet(name) ? "delete set ip " : "delete chain ip ").Append(Table).Append(' ').Append(name).Append('\n');
        }
    }

    private static void AppendDefinition(StringBuilder script, string name, string body) =>
        script.Append(IsSet(name) ? "set " : "chain ").Append(name).Append(" {\n").Append(body).Append("}\n");

    private static void AppendElements(StringBuilder script, string verb, IEnumerable<(string Map, string Element)> elements)
    {
        foreach (var group in elements.GroupBy(e => e.Map).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            script.Append(verb).Append(" element ip ").Append(Table).Append(' ').Append(group.Key).Append(" { ");
            script.AppendJoin(", ", group.Select(e => e.Element).Order(StringComparer.Ordinal)).Append(" }\n");
        }
    }

    // Filters stand behind translation (priority 0 and more): what still has a service address there belongs to no service, or to one without
    // endpoints, and is refused at once instead of leaving by the default route.
    private static string Base(string clusterCidr, string serviceCidr, string? podCidr) =>
        $$"""
        map services { type ipv4_addr . inet_proto . inet_service : verdict; }
        map node-ports { type inet_proto . inet_service : verdict; }
        set hairpin { type ipv4_addr . ipv4_addr; }
        set refused { type ipv4_addr . inet_proto . inet_service; }
        chain translate {
        ip daddr . meta l4proto . th dport vmap @services
        fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @node-ports
        }
        chain prerouting {
        type nat hook prerouting priority -100
        jump translate
        }
        chain output {
        type nat hook output priority -100
        jump translate
        }
        chain postrouting {
        type nat hook postrouting priority 100
        meta mark and {{ServiceChains.MasqueradeMark}} == {{ServiceChains.MasqueradeMark}} masquerade
        ip saddr . ip daddr @hairpin ct status dnat masquerade
        {{(podCidr is null ? "" : $"ip saddr {podCidr} ip daddr != {clusterCidr} masquerade")}}
        }
        chain refuse {
        meta l4proto tcp reject with tcp reset
        reject with icmp type port-unreachable
        }
        chain forward {
        type filter hook forward priority 5
        ip daddr {{serviceCidr}} goto refuse
        ct state new ip daddr . meta l4proto . th dport @refused goto refuse
        }
        chain filter-input {
        type filter hook input priority 5
        ct state new ip daddr . meta l4proto . th dport @refused goto refuse
        }
        chain filter-output {
        type filter hook output priority 5
        ip daddr {{serviceCidr}} goto refuse
        ct state new ip daddr . meta l4proto . th dport @refused goto refuse
        }

        """;
}
