using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.EndpointSlices;

/// <summary>Keeps EndpointSlices equal to the pods that each Service selects; proxies and DNS send traffic by them.</summary>
/// <remarks>What is to be written is planned by <see cref="SlicePlan"/>. See KEP-752 and KEP-1672 (terminating endpoints).</remarks>
public sealed class EndpointSliceController : Controller
{
    private const string ByService = "service";
    private const string ZoneLabel = "topology.kubernetes.io/zone";

    private readonly ISharedInformer<Service> _services;
    private readonly ISharedInformer<Pod> _pods;
    private readonly ISharedInformer<Node> _nodes;
    private readonly ISharedInformer<EndpointSlice> _slices;
    private readonly SliceWriter _writer;

    public EndpointSliceController(ControllerContext context)
        : base("endpointslice-controller", context, context?.Options.Workers("service-endpoint", 5) ?? 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _writer = new SliceWriter(context);
        _services = context.Informers.For<Service>();
        _pods = context.Informers.For<Pod>();
        _nodes = context.Informers.For<Node>();
        _slices = context.Informers.For<EndpointSlice>();
        _slices.Indexer.AddIndex(ByService, static slice => ServiceOf(slice) is { } key ? [key.ToString()] : []);
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
        _slices.AddEventHandler(new ResourceEventHandler<EndpointSlice>(EnqueueService, (_, now) => EnqueueService(now), EnqueueService));
        _nodes.AddEventHandler(new ResourceEventHandler<Node>(node => OnNode(null, node), OnNode));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_services.Indexer.Get(key.Namespace, key.Name) is not { } service)
        {
            // The garbage collector removes the slices with their owner.
            _writer.Forget(key);
            return ReconcileResult.Done;
        }

        if (service.Spec?.Selector is not { Count: > 0 } || service.Spec.Type == "ExternalName" || service.Metadata.DeletionTimestamp is not null)
        {
            // Without a selector the endpoints are somebody else's.
            return ReconcileResult.Done;
        }

        var existing = _slices.Indexer.ByIndex(ByService, key.ToString());
        if (_writer.IsBehind(key, existing))
        {
            // The slices that we wrote last are not in the cache yet: planning on it would make them twice. Their arrival brings us back;
            // should it be lost, time does.
            return ReconcileResult.After(TimeSpan.FromSeconds(1));
        }

        var plan = SlicePlan.Of(service, [.. ServicePods.Select(service, _pods.Indexer)], existing, ZoneOf);
        await _writer.ApplyAsync(key, plan.Create, plan.Update, plan.Delete, cancellationToken);
        return ReconcileResult.Done;
    }

    protected override void OnTermStarted() => _writer.Clear();

    private string? ZoneOf(string node) =>
        _nodes.Indexer.Get(null, node)?.Metadata.Labels is { } labels && labels.TryGetValue(ZoneLabel, out var zone) ? zone : null;

    private void EnqueueServices(Pod pod)
    {
        foreach (var key in ServicePods.ServicesOf(pod, _services.Indexer))
        {
            Queue.Add(key);
        }
    }

    private void EnqueueService(EndpointSlice slice)
    {
        if (ServiceOf(slice) is { } key)
        {
            Queue.Add(key);
        }
    }

    /// <summary>Endpoints carry their node's zone; a pod may be heard of before its node.</summary>
    private void OnNode(Node? old, Node now)
    {
        static string? Zone(Node? node) => node?.Metadata.Labels?.GetValueOrDefault(ZoneLabel);
        if (Zone(old) != Zone(now))
        {
            foreach (var service in _services.Indexer.List())
            {
                Enqueue(service);
            }
        }
    }

    /// <summary>The Service of a slice that is ours.</summary>
    private static NamespacedName? ServiceOf(EndpointSlice slice) =>
        slice.Metadata.Labels is { } labels
        && labels.GetValueOrDefault(SlicePlan.ManagedByLabel) == SlicePlan.Manager
        && labels.TryGetValue(SlicePlan.ServiceNameLabel, out var service)
            ? new NamespacedName(slice.Metadata.Namespace ?? "", service)
            : null;
}
