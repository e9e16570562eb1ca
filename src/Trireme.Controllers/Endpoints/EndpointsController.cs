using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.EndpointSlices;
using Trireme.Controllers.Runtime;
using EndpointsObject = Trireme.Api.Models.Core.V1.Endpoints;

namespace Trireme.Controllers.Endpoints;

/// <summary>Keeps the legacy Endpoints object of each Service equal to its pods, for clients that know nothing of EndpointSlices.</summary>
public sealed class EndpointsController : Controller
{
    /// <summary>The object is one piece: beyond this it says so and leaves the rest out, as upstream.</summary>
    private const int MaxAddresses = 1000;

    private const string OverCapacity = "endpoints.kubernetes.io/over-capacity";
    private const string LeaderAnnotation = "control-plane.alpha.kubernetes.io/leader";
    private const string ManagedBy = "endpoints.kubernetes.io/managed-by";

    private readonly ISharedInformer<Service> _services;
    private readonly ISharedInformer<Pod> _pods;
    private readonly ISharedInformer<EndpointsObject> _endpoints;

    public EndpointsController(ControllerContext context)
        : base("endpoints-controller", context, context?.Options.Workers("endpoint", 5) ?? 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _services = context.Informers.For<Service>();
        _pods = context.Informers.For<Pod>();
        _endpoints = context.Informers.For<EndpointsObject>();
        _services.AddEventHandler(new ResourceEventHandler<Service>(Enqueue, (_, now) => Enqueue(now), Enqueue));
        _pods.AddEventHandler(new ResourceEventHandler<Pod>(
            EnqueueServices,
            (old, now) =>
            {
                if (ServicePods.Matters(old, now))
                {
                    EnqueueServices(old);
                    EnqueueServices(now);
                }
            },
            EnqueueServices));
        _endpoints.AddEventHandler(new ResourceEventHandler<EndpointsObject>(OnDelete: Enqueue));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        var current = _endpoints.Indexer.Get(key.Namespace, key.Name);
        if (_services.Indexer.Get(key.Namespace, key.Name) is not { } service)
        {
            // It goes with its Service, whoever made it: proxies and DNS would go on serving it. One by which leaders were elected in old times never had one.
            if (current is not null && current.Metadata.Annotations?.ContainsKey(LeaderAnnotation) != true)
            {
                await Client.DeleteAsync<EndpointsObject>(key.Namespace, key.Name, new DeleteRequest(PreconditionUid: current.Metadata.Uid), cancellationToken);
            }

            return ReconcileResult.Done;
        }

        if (service.Spec?.Selector is not { Count: > 0 } || service.Spec.Type == "ExternalName" || service.Metadata.DeletionTimestamp is not null)
        {
            return ReconcileResult.Done;
        }

        var wanted = Make(service, current);
        if (current is null)
        {
            await Client.CreateAsync(wanted, cancellationToken);
        }
        else if (!ModelJson.JsonEquals(current, wanted))
        {
            await Client.UpdateAsync(wanted, cancellationToken);
        }

        return ReconcileResult.Done;
    }

    private EndpointsObject Make(Service service, EndpointsObject? current)
    {
        var result = current?.Clone() ?? new EndpointsObject
        {
            Metadata = new ObjectMeta { Namespace = service.Metadata.Namespace, Name = service.Metadata.Name },
        };
        var labels = new Dictionary<string, string>(service.Metadata.Labels ?? [], StringComparer.Ordinal) { [ManagedBy] = "endpoint-controller" };
        if (ServicePods.IsHeadless(service))
        {
            labels[SlicePlan.HeadlessLabel] = "";
        }

        if (!SameLabels(result.Metadata.Labels, labels))
        {
            result.Metadata.Labels = labels;
        }

        var count = 0;
        var groups = new SortedDictionary<string, EndpointSubset>(StringComparer.Ordinal);
        foreach (var pod in ServicePods.Select(service, _pods.Indexer).OrderBy(p => p.Metadata.Name, StringComparer.Ordinal))
        {
            // Unlike a slice, Endpoints knows no terminating address.
            var tolerant = service.Spec!.PublishNotReadyAddresses;
            var address = ServicePods.Addresses(pod, ServicePods.Families(service)[0]).FirstOrDefault();
            if (address is not null && (pod.Metadata.DeletionTimestamp is null || tolerant) && ++count <= MaxAddresses)
            {
                Add(groups, service, pod, address, tolerant || pod.IsReady());
            }
        }

        result.Subsets = groups.Count > 0 ? [.. groups.Values] : null;
        var annotations = result.Metadata.Annotations;
        if (count > MaxAddresses)
        {
            (result.Metadata.Annotations ??= [])[OverCapacity] = "truncated";
        }
        else
        {
            annotations?.Remove(OverCapacity);
        }

        return result;
    }

    private static void Add(SortedDictionary<string, EndpointSubset> groups, Service service, Pod pod, string address, bool ready)
    {
        var ports = new List<EndpointPort>();
        foreach (var port in service.Spec!.Ports ?? [])
        {
            if (ServicePods.TargetPort(pod, port) is { } number)
            {
                ports.Add(new EndpointPort { Name = port.Name, Port = number, Protocol = port.Protocol ?? "TCP", AppProtocol = port.AppProtocol });
            }
        }

        if (ports.Count == 0 && service.Spec.Ports is { Count: > 0 })
        {
            return;
        }

        var key = string.Join(',', ports.Select(p => $"{p.Name}:{p.Port}:{p.Protocol}:{p.AppProtocol}"));
        if (!groups.TryGetValue(key, out var subset))
        {
            groups[key] = subset = new EndpointSubset { Ports = ports.Count > 0 ? ports : null };
        }

        var named = !string.IsNullOrEmpty(pod.Spec?.Hostname) && pod.Spec.Subdomain == service.Metadata.Name;
        var entry = new EndpointAddress
        {
            Ip = address,
            Hostname = named ? pod.Spec!.Hostname : null,
            NodeName = string.IsNullOrEmpty(pod.Spec?.NodeName) ? null : pod.Spec.NodeName,
            TargetRef = new ObjectReference { Kind = "Pod", Namespace = pod.Metadata.Namespace, Name = pod.Metadata.Name, Uid = pod.Metadata.Uid },
        };
        if (ready)
        {
            (subset.Addresses ??= []).Add(entry);
        }
        else
        {
            (subset.NotReadyAddresses ??= []).Add(entry);
        }
    }

    private void EnqueueServices(Pod pod)
    {
        foreach (var key in ServicePods.ServicesOf(pod, _services.Indexer))
        {
            Queue.Add(key);
        }
    }

    private static bool SameLabels(Dictionary<string, string>? a, Dictionary<string, string> b) =>
        a is not null && a.Count == b.Count && b.All(l => a.TryGetValue(l.Key, out var value) && value == l.Value);
}
