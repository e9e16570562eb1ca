namespace Trireme.Proxy.Services;

/// <summary>Which UDP flows lead elsewhere than a new one would. Pure.</summary>
/// <remarks>
/// Only the first packet of a flow meets the rules. So a client that keeps its port goes on sending to a backend that is gone, and one that began before
/// there was a backend is never translated, until its flow is forgotten. Flows are compared to the rules, not rules to those before: that also finds
/// what went wrong while no proxy ran.
/// </remarks>
public static class StaleFlows
{
    /// <summary>Flows that must be forgotten.</summary>
    /// <param name="flows">What the kernel has.</param>
    /// <param name="before">The rules that were in force until now; of what is in them and not in the others nobody serves anything any more.</param>
    /// <param name="after">The rules in force.</param>
    public static IEnumerable<UdpFlow> Of(IEnumerable<UdpFlow> flows, IReadOnlyList<ServicePortRule> before, IReadOnlyList<ServicePortRule> after)
    {
        var services = new Dictionary<(string Address, int Port), HashSet<string>>();
        var nodePorts = new Dictionary<int, HashSet<string>>();
        foreach (var rule in before.Where(r => r.Protocol == "udp"))
        {
            Add(rule, [], []);
        }

        foreach (var rule in after.Where(r => r.Protocol == "udp"))
        {
            // With a traffic policy of Local clients of the cluster still get to any backend.
            Add(rule, Addresses(rule.Backends), Addresses(rule.PreserveSource ? rule.ExternalBackends.Concat(rule.Backends) : rule.ExternalBackends));
        }

        return flows.Where(flow =>
            services.TryGetValue((flow.Destination, flow.Port), out var backends) ? IsStale(flow, backends)

            // Any address may be the node's own, and any program may use the port elsewhere: what was not translated and is answered is none of ours.
            : nodePorts.TryGetValue(flow.Port, out backends) && (flow.IsTranslated || flow.IsUnreplied) && IsStale(flow, backends));

        void Add(ServicePortRule rule, HashSet<string> inside, HashSet<string> outside)
        {
            services[(rule.ClusterAddress, rule.Port)] = inside;
            foreach (var address in rule.ExternalAddresses)
            {
                services[(address, rule.Port)] = outside;
            }

            if (rule.NodePort > 0)
            {
                nodePorts[rule.NodePort] = outside;
            }
        }
    }

    /// <summary>Whether two states of the rules may differ in where UDP flows lead.</summary>
    public static bool Differ(IReadOnlyList<ServicePortRule> before, IReadOnlyList<ServicePortRule> after) =>
        !before.Where(r => r.Protocol == "udp").Select(Targets).SequenceEqual(after.Where(r => r.Protocol == "udp").Select(Targets), StringComparer.Ordinal);

    private static bool IsStale(UdpFlow flow, HashSet<string> backends) => flow.IsTranslated ? !backends.Contains(flow.Backend) : backends.Count > 0;

    private static HashSet<string> Addresses(IEnumerable<Backend> backends) => backends.Select(b => b.Address).ToHashSet(StringComparer.Ordinal);

    private static string Targets(ServicePortRule rule) =>
        $"{rule.ClusterAddress}:{rule.Port} {rule.NodePort} {string.Join(',', rule.ExternalAddresses)} {string.Join(',', rule.Backends)} {string.Join(',', rule.ExternalBackends)}";
}
