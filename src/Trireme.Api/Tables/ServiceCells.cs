using Trireme.Api.Documents;

namespace Trireme.Api.Tables;

/// <summary>Cells of services, endpoints and ingresses.</summary>
internal static class ServiceCells
{
    private const string None = "<none>";

    public static string ExternalAddress(ApiObject service)
    {
        var own = string.Join(',', service.Find("spec", "externalIPs")?.AsArray()?.Strings ?? []);
        switch (service.Find("spec", "type")?.AsString())
        {
            case "ClusterIP" or "NodePort":
                return own.Length > 0 ? own : None;
            case "LoadBalancer":
                var balancer = BalancerAddresses(service);
                return (balancer.Length, own.Length) switch
                {
                    (0, 0) => "<pending>",
                    (0, _) => own,
                    (_, 0) => balancer,
                    _ => $"{balancer},{own}",
                };
            case "ExternalName":
                return CellFormulas.Text(service.Find("spec", "externalName"));
            default:
                return "<unknown>";
        }
    }

    public static string Ports(ApiObject service)
    {
        var ports = (service.Find("spec", "ports")?.AsArray()?.Objects ?? []).Select(p =>
            p.GetInt64("nodePort") is { } node and not 0
                ? $"{ComputedCells.Number(p["port"])}:{node}/{p.GetString("protocol")}"
                : $"{ComputedCells.Number(p["port"])}/{p.GetString("protocol")}");
        return string.Join(',', ports) is { Length: > 0 } text ? text : None;
    }

    public static string BalancerAddresses(ApiObject item) => string.Join(
        ',',
        (item.Find("status", "loadBalancer", "ingress")?.AsArray()?.Objects ?? []).Select(i => i.GetString("ip") ?? i.GetString("hostname") ?? "").Where(a => a.Length > 0));

    public static string Endpoints(ApiObject endpoints)
    {
        var all = new List<string>();
        foreach (var subset in endpoints.GetArray("subsets")?.Objects ?? [])
        {
            var ports = subset.GetArray("ports")?.Objects.ToList() ?? [];
            foreach (var address in subset.GetArray("addresses")?.Objects ?? [])
            {
                var ip = address.GetString("ip") ?? "";
                all.AddRange(ports.Count == 0 ? [ip] : ports.Select(p => ip.Contains(':', StringComparison.Ordinal) ? $"[{ip}]:{ComputedCells.Number(p["port"])}" : $"{ip}:{ComputedCells.Number(p["port"])}"));
            }
        }

        return ComputedCells.FirstOf(all, 3, None);
    }

    public static string SliceEndpoints(ApiObject slice) => ComputedCells.FirstOf(
        [.. (slice.GetArray("endpoints")?.Objects ?? []).SelectMany(e => e.GetArray("addresses")?.Strings ?? [])], 3, "<unset>");

    public static string SlicePorts(ApiObject slice) => ComputedCells.FirstOf(
        [.. (slice.GetArray("ports")?.Objects ?? []).Select(p => p["port"] is { } port ? CellFormulas.Text(port) : p.GetString("name") is { Length: > 0 } name ? name : "*")],
        3,
        "<unset>");

    public static string IngressHosts(ApiObject ingress) => ComputedCells.FirstOf(
        [.. (ingress.Find("spec", "rules")?.AsArray()?.Objects ?? []).Select(r => r.GetString("host") ?? "").Where(h => h.Length > 0)], 3, "*");
}
