using System.Net;
using System.Net.Sockets;
using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Kubernetes;

/// <summary>The records of a service, by the Kubernetes specification of DNS-based service discovery, version 1.1.0.</summary>
/// <remarks>
/// <code>
/// ClusterIP      service.ns.svc.zone            A/AAAA  cluster addresses
///                _port._proto.service.ns...     SRV     → service.ns.svc.zone
/// headless       service.ns.svc.zone            A/AAAA  every ready endpoint
///                _port._proto.service.ns...     SRV     → host.service.ns.svc.zone, per ready endpoint
/// both           host.service.ns.svc.zone       A/AAAA  one endpoint; host is its hostname or its address with dashes
/// ExternalName   service.ns.svc.zone            CNAME   the external name
/// reverse        d.c.b.a.in-addr.arpa           PTR     of cluster and endpoint addresses
/// </code>
/// Pure: values in, values out.
/// </remarks>
internal static class ServiceRecords
{
    public static IReadOnlyList<DnsRecord> Of(Service service, IEnumerable<EndpointSlice> slices, DnsName zone, uint ttl)
    {
        var records = new List<DnsRecord>();
        var ns = service.Metadata.Namespace ?? "";
        if (!DnsName.TryParse($"{service.Metadata.Name}.{ns}.svc.{zone}", out var name))
        {
            return records;
        }

        if (service.Spec?.Type == "ExternalName")
        {
            if (DnsName.TryParse(service.Spec.ExternalName ?? "", out var target))
            {
                records.Add(DnsRecord.Cname(name, target, ttl));
            }

            return records;
        }

        var headless = service.Spec?.ClusterIP == "None";
        var clusterIPs = headless ? [] : ClusterIPs(service);
        foreach (var address in clusterIPs)
        {
            records.Add(DnsRecord.Address(name, address, ttl));
            records.Add(DnsRecord.Ptr(ReverseName(address), name, ttl));
        }

        if (clusterIPs.Count > 0)
        {
            foreach (var port in service.Spec?.Ports ?? [])
            {
                AddSrv(records, name, port.Name, port.Protocol, port.Port, name, ttl);
            }
        }

        foreach (var slice in slices)
        {
            AddEndpoints(records, slice, name, headless, service.Spec?.PublishNotReadyAddresses == true, ttl);
        }

        return Distinct(records);
    }

    /// <summary>The name under which an address is looked up (RFC 1035 section 3.5, RFC 3596 section 2.5).</summary>
    public static DnsName ReverseName(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        var text = new StringBuilder(80);
        for (var i = bytes.Length - 1; i >= 0; i--)
        {
            if (bytes.Length == 4)
            {
                text.Append(bytes[i]).Append('.');
            }
            else
            {
                text.Append(char.ToLowerInvariant("0123456789ABCDEF"[bytes[i] & 0xF])).Append('.');
                text.Append(char.ToLowerInvariant("0123456789ABCDEF"[bytes[i] >> 4])).Append('.');
            }
        }

        return DnsName.Parse(text.Append(bytes.Length == 4 ? "in-addr.arpa" : "ip6.arpa").ToString());
    }

    private static void AddEndpoints(List<DnsRecord> records, EndpointSlice slice, DnsName name, bool headless, bool publishNotReady, uint ttl)
    {
        foreach (var endpoint in slice.Endpoints ?? [])
        {
            // Unknown counts as ready (EndpointConditions).
            if (endpoint.Conditions?.Ready == false && !publishNotReady)
            {
                continue;
            }

            foreach (var text in endpoint.Addresses ?? [])
            {
                if (!IPAddress.TryParse(text, out var address) || !DnsName.TryParse($"{HostOf(endpoint, address)}.{name}", out var host))
                {
                    continue;
                }

                records.Add(DnsRecord.Address(host, address, ttl));
                records.Add(DnsRecord.Ptr(ReverseName(address), host, ttl));
                if (!headless)
                {
                    continue;
                }

                records.Add(DnsRecord.Address(name, address, ttl));
                foreach (var port in slice.Ports ?? [])
                {
                    AddSrv(records, name, port.Name, port.Protocol, port.Port ?? 0, host, ttl);
                }
            }
        }
    }

    private static string HostOf(Endpoint endpoint, IPAddress address) => endpoint.Hostname is { Length: > 0 } host
        ? host
        : address.AddressFamily == AddressFamily.InterNetwork
            ? address.ToString().Replace('.', '-')
            : string.Join('-', Enumerable.Range(0, 8).Select(i => Convert.ToHexStringLower(address.GetAddressBytes(), i * 2, 2)));

    private static void AddSrv(List<DnsRecord> records, DnsName service, string? port, string? protocol, int number, DnsName target, uint ttl)
    {
        if (port is { Length: > 0 } && DnsName.TryParse($"_{port}._{(protocol ?? "TCP").ToLowerInvariant()}.{service}", out var name))
        {
            // All are equal: a weight of 100 shares evenly.
            records.Add(DnsRecord.Srv(name, 0, 100, (ushort)number, target, ttl));
        }
    }

    private static List<IPAddress> ClusterIPs(Service service)
    {
        var texts = service.Spec?.ClusterIPs is { Count: > 0 } all ? all : [service.Spec?.ClusterIP ?? ""];
        return [.. texts.Select(t => IPAddress.TryParse(t, out var address) ? address : null).OfType<IPAddress>()];
    }

    /// <summary>An endpoint may be in two slices while it moves between them.</summary>
    private static List<DnsRecord> Distinct(List<DnsRecord> records)
    {
        var seen = new HashSet<(DnsName, DnsType, string)>();
        records.RemoveAll(r => !seen.Add((r.Name, r.Type, Convert.ToHexString(r.Data))));
        return records;
    }
}
