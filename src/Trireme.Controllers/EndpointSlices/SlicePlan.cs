using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Controllers.Runtime;
using EndpointPort = Trireme.Api.Models.Discovery.V1.EndpointPort;

namespace Trireme.Controllers.EndpointSlices;

/// <summary>What to write so that the slices of a Service hold its endpoints.</summary>
internal sealed record SlicePlan(List<EndpointSlice> Create, List<EndpointSlice> Update, List<EndpointSlice> Delete)
{
    /// <summary>Endpoints in one slice: one change of one pod must not move a whole Service's addresses around.</summary>
    public const int MaxEndpoints = 100;

    public const string ServiceNameLabel = "kubernetes.io/service-name";
    public const string ManagedByLabel = "endpointslice.kubernetes.io/managed-by";
    public const string Manager = "endpointslice-controller.k8s.io";
    public const string HeadlessLabel = "service.kubernetes.io/headless";

    /// <summary>Plans by comparing, with as few changed slices as can be: endpoints stay in the slice they are in, new ones fill gaps.</summary>
    /// <param name="service">With its selector.</param>
    /// <param name="pods">The pods that it selects.</param>
    /// <param name="existing">The slices that this controller made for it.</param>
    /// <param name="zoneOf">Zone of a node, or null.</param>
    public static SlicePlan Of(Service service, IEnumerable<Pod> pods, IReadOnlyCollection<EndpointSlice> existing, Func<string, string?> zoneOf)
    {
        var plan = new SlicePlan([], [], []);
        var wanted = new Dictionary<string, (string Family, List<EndpointPort> Ports, Dictionary<string, Endpoint> Endpoints)>(StringComparer.Ordinal);
        foreach (var family in ServicePods.Families(service))
        {
            foreach (var pod in pods)
            {
                Add(family, pod);
            }

            // A Service without pods still gets a slice: it says 'nobody', which is more than saying nothing.
            if (!wanted.Values.Any(w => w.Family == family))
            {
                wanted.Add(family + "/none", (family, [], []));
            }
        }

        var labels = Labels(service);
        var left = existing.ToList();
        foreach (var (family, ports, endpoints) in wanted.Values)
        {
            var same = left.Where(s => s.AddressType == family && SamePorts(s.Ports, ports) && s.Metadata.DeletionTimestamp is null).ToList();
            left.RemoveAll(same.Contains);
            Distribute(plan, service, family, ports, endpoints, same, labels);
        }

        plan.Delete.AddRange(left.Where(s => s.Metadata.DeletionTimestamp is null));
        return plan;

        void Add(string family, Pod pod)
        {
            var addresses = ServicePods.Addresses(pod, family).Take(1).ToList();
            if (addresses.Count == 0)
            {
                return;
            }

            var ports = Ports(service, pod);
            var key = $"{family}/{PortsKey(ports)}";
            if (!wanted.TryGetValue(key, out var group))
            {
                wanted[key] = group = (family, ports, []);
            }

            group.Endpoints.TryAdd(pod.Metadata.Uid ?? pod.Metadata.Name!, ToEndpoint(service, pod, addresses, zoneOf));
        }
    }

    private static void Distribute(
        SlicePlan plan, Service service, string family, List<EndpointPort> ports, Dictionary<string, Endpoint> wanted, List<EndpointSlice> slices, Dictionary<string, string> labels)
    {
        // 1. What is there stays where it is, changed if need be; what is not wanted goes.
        var missing = new Dictionary<string, Endpoint>(wanted, StringComparer.Ordinal);
        var states = new List<(EndpointSlice Slice, List<Endpoint> Endpoints, bool Changed)>();
        foreach (var slice in slices)
        {
            var endpoints = new List<Endpoint>();

            // A slice of an earlier Service of this name would be collected with it, endpoints and all.
            var changed = !SameLabels(slice.Metadata.Labels, labels) || !OwnerReferences.IsControlledBy(slice, service);
            foreach (var endpoint in slice.Endpoints ?? [])
            {
                if (endpoint.TargetRef?.Uid is { } uid && missing.Remove(uid, out var now))
                {
                    changed |= !ModelJson.JsonEquals(endpoint, now);
                    endpoints.Add(now);
                }
                else
                {
                    changed = true;
                }
            }

            states.Add((slice, endpoints, changed));
        }

        // 2. The new fill slices that are written anyhow, then the fullest that have room, then slices of their own.
        var queue = new Queue<Endpoint>(missing.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => m.Value));
        var byPreference = states.Index()
            .OrderByDescending(s => s.Item.Changed).ThenByDescending(s => s.Item.Endpoints.Count)
            .Select(s => s.Index).ToList();
        foreach (var i in byPreference)
        {
            while (queue.Count > 0 && states[i].Endpoints.Count < MaxEndpoints)
            {
                states[i].Endpoints.Add(queue.Dequeue());
                states[i] = states[i] with { Changed = true };
            }
        }

        // 3. An emptied slice goes, unless nothing else is left to say that there is nobody.
        var placeholder = queue.Count == 0 && states.TrueForAll(s => s.Endpoints.Count == 0);
        foreach (var (slice, endpoints, changed) in states)
        {
            if (endpoints.Count == 0 && !placeholder)
            {
                plan.Delete.Add(slice);
                continue;
            }

            placeholder = false;
            if (changed)
            {
                var copy = slice.Clone();
                copy.Endpoints = endpoints;
                copy.Metadata.Labels = labels;
                copy.Metadata.OwnerReferences = [OwnerReferences.ToController(service)];
                plan.Update.Add(copy);
            }
        }

        while (queue.Count > 0 || placeholder)
        {
            var chunk = new List<Endpoint>();
            while (queue.Count > 0 && chunk.Count < MaxEndpoints)
            {
                chunk.Add(queue.Dequeue());
            }

            plan.Create.Add(New(service, family, ports, chunk, labels));
            placeholder = false;
        }
    }

    private static EndpointSlice New(Service service, string family, List<EndpointPort> ports, List<Endpoint> endpoints, Dictionary<string, string> labels) => new()
    {
        Metadata = new()
        {
            Namespace = service.Metadata.Namespace,
            GenerateName = service.Metadata.Name + "-",
            Labels = labels,
            OwnerReferences = [OwnerReferences.ToController(service)],
        },
        AddressType = family,
        Endpoints = endpoints,
        Ports = ports,
    };

    private static Dictionary<string, string> Labels(Service service)
    {
        var labels = new Dictionary<string, string>(service.Metadata.Labels ?? [], StringComparer.Ordinal)
        {
            [ServiceNameLabel] = service.Metadata.Name!,
            [ManagedByLabel] = Manager,
        };
        labels.Remove(HeadlessLabel);
        if (ServicePods.IsHeadless(service))
        {
            labels[HeadlessLabel] = "";
        }

        return labels;
    }

    private static List<EndpointPort> Ports(Service service, Pod pod)
    {
        var ports = new List<EndpointPort>();
        foreach (var port in service.Spec!.Ports ?? [])
        {
            if (ServicePods.TargetPort(pod, port) is { } number)
            {
                ports.Add(new EndpointPort { Name = port.Name ?? "", Port = number, Protocol = port.Protocol ?? "TCP", AppProtocol = port.AppProtocol });
            }
        }

        return ports;
    }

    private static Endpoint ToEndpoint(Service service, Pod pod, List<string> addresses, Func<string, string?> zoneOf)
    {
        var terminating = pod.Metadata.DeletionTimestamp is not null;
        var serving = pod.IsReady();
        var node = string.IsNullOrEmpty(pod.Spec?.NodeName) ? null : pod.Spec.NodeName;
        var named = !string.IsNullOrEmpty(pod.Spec?.Hostname) && pod.Spec.Subdomain == service.Metadata.Name;
        return new Endpoint
        {
            Addresses = addresses,
            Conditions = new EndpointConditions
            {
                Ready = service.Spec!.PublishNotReadyAddresses || (serving && !terminating),
                Serving = serving,
                Terminating = terminating,
            },
            Hostname = named ? pod.Spec!.Hostname : null,
            NodeName = node,
            Zone = node is null ? null : zoneOf(node),
            TargetRef = new ObjectReference { Kind = "Pod", Namespace = pod.Metadata.Namespace, Name = pod.Metadata.Name, Uid = pod.Metadata.Uid },
        };
    }

    /// <summary>Ports as text: endpoints with the same ports share slices.</summary>
    public static string PortsKey(List<EndpointPort> ports) => string.Join(',', ports.Select(p => $"{p.Name}:{p.Port}:{p.Protocol}:{p.AppProtocol}"));

    /// <summary>Whether two lists hold the same ports, in whatever order.</summary>
    public static bool SamePorts(List<EndpointPort>? a, List<EndpointPort> b)
    {
        static IEnumerable<string> Keys(List<EndpointPort>? ports) => (ports ?? []).Select(p => $"{p.Name}|{p.Port}|{p.Protocol}|{p.AppProtocol}").Order(StringComparer.Ordinal);
        return Keys(a).SequenceEqual(Keys(b));
    }

    private static bool SameLabels(Dictionary<string, string>? a, Dictionary<string, string> b) =>
        a is not null && a.Count == b.Count && b.All(l => a.TryGetValue(l.Key, out var value) && value == l.Value);
}
