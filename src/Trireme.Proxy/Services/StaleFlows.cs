namespace Trireme.Proxy.Services;

/// <summary>Which UDP flows lead to a backend that no longer serves. Pure.</summary>
public static class StaleFlows
{
    /// <summary>Service address, port and backend address of each.</summary>
    public static IEnumerable<(string ServiceAddress, int Port, string Backend)> Between(IReadOnlyList<ServicePortRule> before, IReadOnlyList<ServicePortRule> after)
    {
        var now = after.Where(r => r.Protocol == "udp").ToDictionary(r => r.Name, StringComparer.Ordinal);
        foreach (var rule in before.Where(r => r.Protocol == "udp"))
        {
            var left = now.TryGetValue(rule.Name, out var current) ? current.Backends : [];
            foreach (var backend in rule.Backends.Except(left))
            {
                foreach (var address in rule.ExternalAddresses.Prepend(rule.ClusterAddress))
                {
                    yield return (address, rule.Port, backend.Address);
                }
            }
        }
    }
}
