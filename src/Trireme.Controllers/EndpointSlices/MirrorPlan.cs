using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Controllers.Runtime;
using EndpointPort = Trireme.Api.Models.Discovery.V1.EndpointPort;
using EndpointsObject = Trireme.Api.Models.Core.V1.Endpoints;

namespace Trireme.Controllers.EndpointSlices;

/// <summary>What to write so that slices say the same as an Endpoints object that somebody made by hand. State in, writes out.</summary>
internal sealed record MirrorPlan(List<EndpointSlice> Create, List<EndpointSlice> Update, List<EndpointSlice> Delete)
{
    public const string Manager = "endpointslicemirroring-controller.k8s.io";

    /// <summary>Addresses of a subset beyond this number are left out, as upstream.</summary>
    private const int MaxPerSubset = 1000;

    private const string LastApplied = "kubectl.kubernetes.io/last-applied-configuration";
    private const string LastChange = "endpoints.kubernetes.io/last-change-trigger-time";

    /// <summary>Compares slice by slice; one that serves the same ports is written over rather than replaced.</summary>
    /// <param name="endpoints">What is mirrored; null takes every slice away.</param>
    /// <param name="existing">The mirrors that there are.</param>
    public static MirrorPlan Of(EndpointsObject? endpoints, IEnumerable<EndpointSlice> existing)
    {
        var plan = new MirrorPlan([], [], []);
        var left = existing.Where(s => s.Metadata.DeletionTimestamp is null).OrderBy(s => s.Metadata.Name, StringComparer.Ordinal).ToList();
        foreach (var wanted in endpoints is null ? [] : Wanted(endpoints))
        {
            var slice = left.Find(s => s.AddressType == wanted.AddressType && SlicePlan.SamePorts(s.Ports, wanted.Ports!));
            if (slice is null)
            {
                plan.Create.Add(wanted);
                continue;
            }

            left.Remove(slice);
            var changed = slice.Clone();
            changed.Endpoints = wanted.Endpoints;
            changed.Metadata.Labels = wanted.Metadata.Labels;
            changed.Metadata.Annotations = wanted.Metadata.Annotations;
            changed.Metadata.OwnerReferences = wanted.Metadata.OwnerReferences;
            if (!ModelJson.JsonEquals(changed, slice))
            {
                plan.Update.Add(changed);
            }
        }

        plan.Delete.AddRange(left);
        return plan;
    }

    private static IEnumerable<EndpointSlice> Wanted(EndpointsObject endpoints)
    {
        var groups = new Dictionary<string, (string Family, List<EndpointPort> Ports, SortedDictionary<string, Endpoint> Endpoints)>(StringComparer.Ordinal);
        foreach (var subset in endpoints.Subsets ?? [])
        {
            var ports = (subset.Ports ?? []).ConvertAll(p => new EndpointPort { Name = p.Name ?? "", Port = p.Port, Protocol = p.Protocol ?? "TCP", AppProtocol = p.AppProtocol });
            var addresses = (subset.Addresses ?? []).Select(a => (Address: a, Ready: true))
                .Concat((subset.NotReadyAddresses ?? []).Select(a => (Address: a, Ready: false)))
                .Where(a => !string.IsNullOrEmpty(a.Address.Ip)).Take(MaxPerSubset);
            foreach (var (address, ready) in addresses)
            {
                var family = ServicePods.Family(address.Ip!);
                var key = $"{family}/{SlicePlan.PortsKey(ports)}";
                if (!groups.TryGetValue(key, out var group))
                {
                    groups[key] = group = (family, ports, new SortedDictionary<string, Endpoint>(StringComparer.Ordinal));
                }

                // An address that is ready in one subset and not in another counts as ready: its ports are the same.
                if (ready || !group.Endpoints.ContainsKey(address.Ip!))
                {
                    group.Endpoints[address.Ip!] = ToEndpoint(address, ready);
                }
            }
        }

        return groups.OrderBy(g => g.Key, StringComparer.Ordinal)
            .SelectMany(g => g.Value.Endpoints.Values.Chunk(SlicePlan.MaxEndpoints).Select(chunk => Make(endpoints, g.Value.Family, g.Value.Ports, [.. chunk])));
    }

    private static Endpoint ToEndpoint(EndpointAddress address, bool ready) => new()
    {
        Addresses = [address.Ip!],
        Conditions = new EndpointConditions { Ready = ready },
        Hostname = address.Hostname,
        NodeName = address.NodeName,
        TargetRef = address.TargetRef,
    };

    private static EndpointSlice Make(EndpointsObject endpoints, string family, List<EndpointPort> ports, List<Endpoint> content)
    {
        var annotations = (endpoints.Metadata.Annotations ?? []).Where(a => a.Key is not (LastApplied or LastChange)).ToDictionary(StringComparer.Ordinal);
        return new EndpointSlice
        {
            Metadata = new()
            {
                Namespace = endpoints.Metadata.Namespace,
                GenerateName = endpoints.Metadata.Name + "-",
                Labels = new Dictionary<string, string>(endpoints.Metadata.Labels ?? [], StringComparer.Ordinal)
                {
                    [SlicePlan.ServiceNameLabel] = endpoints.Metadata.Name!,
                    [SlicePlan.ManagedByLabel] = Manager,
                },
                Annotations = annotations.Count > 0 ? annotations : null,
                OwnerReferences = [OwnerReferences.ToController(endpoints)],
            },
            AddressType = family,
            Endpoints = content,
            Ports = ports,
        };
    }
}
