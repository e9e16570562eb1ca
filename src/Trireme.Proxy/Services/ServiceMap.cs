using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;

namespace Trireme.Proxy.Services;

/// <summary>Turns services and their endpoint slices into rules. Pure: objects in, rules out.</summary>
/// <remarks>
/// An endpoint counts when it is ready; when none of a service is, those that are terminating but still serve count, so that a rolling restart of the
/// last replica drops nothing (KEP-1669). Follows https://kubernetes.io/docs/reference/networking/virtual-ips/.
/// </remarks>
public static class ServiceMap
{
    private const string ServiceNameLabel = "kubernetes.io/service-name";

    /// <summary>Rules of all services as one node must have them, in the order of their names.</summary>
    /// <param name="services">All services.</param>
    /// <param name="slices">All endpoint slices.</param>
    /// <param name="nodeName">The node, for traffic policies that keep to it.</param>
    public static IReadOnlyList<ServicePortRule> Build(IEnumerable<Service> services, IEnumerable<EndpointSlice> slices, string nodeName)
    {
        var slicesByService = slices
            .Where(s => s.AddressType == "IPv4" && s.Metadata.Labels?.ContainsKey(ServiceNameLabel) == true)
            .ToLookup(s => (s.Metadata.Namespace, s.Metadata.Labels![ServiceNameLabel]));
        var rules = new List<ServicePortRule>();
        foreach (var service in services)
        {
            if (service.Spec is { Type: not "ExternalName", ClusterIP: { Length: > 0 } and not "None" } spec && IsIPv4(spec.ClusterIP))
            {
                var own = slicesByService[(service.Metadata.Namespace, service.Metadata.Name!)].ToList();
                rules.AddRange((spec.Ports ?? []).Select(port => Rule(service, spec, port, own, nodeName)));
            }
        }

        rules.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return rules;
    }

    private static ServicePortRule Rule(Service service, ServiceSpec spec, ServicePort port, List<EndpointSlice> slices, string nodeName)
    {
        var all = Backends(slices, port, static _ => true);
        var local = spec.InternalTrafficPolicy == "Local" || spec.ExternalTrafficPolicy == "Local"
            ? Backends(slices, port, e => e.NodeName == nodeName)
            : all;
        var balancers = (service.Status?.LoadBalancer?.Ingress ?? [])
            .Where(i => i.Ip is { Length: > 0 } && IsIPv4(i.Ip) && i.IpMode is null or "VIP").Select(i => i.Ip!).Distinct().ToList();
        var external = (spec.ExternalIPs ?? []).Where(IsIPv4).Concat(balancers);
        return new ServicePortRule
        {
            Name = $"{service.Metadata.Namespace}/{service.Metadata.Name}{(port.Name is { Length: > 0 } name ? ":" + name : "")}/{port.Port}",
            Protocol = (port.Protocol ?? "TCP").ToLowerInvariant(),
            Port = port.Port,
            ClusterAddress = spec.ClusterIP!,
            ExternalAddresses = [.. external.Distinct()],
            LoadBalancerAddresses = balancers,
            SourceRanges = spec.LoadBalancerSourceRanges is { Count: > 0 } ranges ? Disjoint(ranges) : null,
            NodePort = spec.Type is "NodePort" or "LoadBalancer" ? port.NodePort : 0,
            Backends = spec.InternalTrafficPolicy == "Local" ? local : all,
            ExternalBackends = spec.ExternalTrafficPolicy == "Local" ? local : all,
            PreserveSource = spec.ExternalTrafficPolicy == "Local",
            Affinity = spec.SessionAffinity == "ClientIP"
                ? TimeSpan.FromSeconds(spec.SessionAffinityConfig?.ClientIP?.TimeoutSeconds ?? 10800)
                : null,
        };
    }

    private static List<Backend> Backends(List<EndpointSlice> slices, ServicePort port, Func<Endpoint, bool> choose)
    {
        var ready = new SortedSet<Backend>();
        var draining = new SortedSet<Backend>();
        foreach (var slice in slices)
        {
            var target = slice.Ports?.FirstOrDefault(p => (p.Name ?? "") == (port.Name ?? "") && (p.Protocol ?? "TCP") == (port.Protocol ?? "TCP"));
            if (target?.Port is not { } number)
            {
                continue;
            }

            foreach (var endpoint in (slice.Endpoints ?? []).Where(choose))
            {
                var set = endpoint.Conditions?.Ready is not false
                    ? ready
                    : endpoint.Conditions is { Serving: true, Terminating: true } ? draining : null;
                foreach (var address in endpoint.Addresses ?? [])
                {
                    set?.Add(new Backend(address, number));
                }
            }
        }

        return [.. ready.Count > 0 ? ready : draining];
    }

    /// <summary>The IPv4 ranges without those inside others, which a set of ranges does not take.</summary>
    private static List<string> Disjoint(List<string> ranges)
    {
        var parsed = ranges.Select(RangeOf).OfType<IPNetwork>().Distinct().OrderBy(n => n.PrefixLength).ToList();
        var disjoint = new List<IPNetwork>();
        foreach (var range in parsed.Where(r => !disjoint.Exists(wider => wider.Contains(r.BaseAddress))))
        {
            disjoint.Add(range);
        }

        return [.. disjoint.Select(n => n.ToString()).Order(StringComparer.Ordinal)];
    }

    private static IPNetwork? RangeOf(string text)
    {
        var parts = text.Trim().Split('/');
        if (parts.Length != 2 || !IPAddress.TryParse(parts[0], out var address) || address.AddressFamily != AddressFamily.InterNetwork
            || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length > 32)
        {
            return null;
        }

        // Written with the address of a host in it, as people do, it means the host's network.
        var mask = length == 0 ? 0 : uint.MaxValue << (32 - length);
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes()) & mask);
        return new IPNetwork(new IPAddress(bytes), length);
    }

    private static bool IsIPv4(string address) => !address.Contains(':', StringComparison.Ordinal);
}
