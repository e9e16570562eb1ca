using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;
using EndpointsObject = Trireme.Api.Models.Core.V1.Endpoints;

namespace Trireme.Controllers.EndpointSlices;

/// <summary>Copies Endpoints that somebody made for a Service without a selector into EndpointSlices, which are all that proxies and DNS read.</summary>
/// <remarks>What is to be written is planned by <see cref="MirrorPlan"/>. See KEP-752.</remarks>
public sealed class EndpointSliceMirroringController : Controller
{
    private const string ByService = "mirrored";
    private const string SkipLabel = "endpointslice.kubernetes.io/skip-mirror";
    private const string LeaderAnnotation = "control-plane.alpha.kubernetes.io/leader";

    private readonly ISharedInformer<Service> _services;
    private readonly ISharedInformer<EndpointsObject> _endpoints;
    private readonly ISharedInformer<EndpointSlice> _slices;
    private readonly SliceWriter _writer;

    public EndpointSliceMirroringController(ControllerContext context)
        : base("endpointslice-mirroring-controller", context, 5)
    {
        ArgumentNullException.ThrowIfNull(context);
        _writer = new SliceWriter(context);
        _services = context.Informers.For<Service>();
        _endpoints = context.Informers.For<EndpointsObject>();
        _slices = context.Informers.For<EndpointSlice>();
        _slices.Indexer.AddIndex(ByService, static slice => ServiceOf(slice) is { } key ? [key.ToString()] : []);
        _services.AddEventHandler(new ResourceEventHandler<Service>(Enqueue, (_, now) => Enqueue(now), Enqueue));
        _endpoints.AddEventHandler(new ResourceEventHandler<EndpointsObject>(Enqueue, (_, now) => Enqueue(now), Enqueue));
        _slices.AddEventHandler(new ResourceEventHandler<EndpointSlice>(EnqueueService, (_, now) => EnqueueService(now), EnqueueService));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        var existing = _slices.Indexer.ByIndex(ByService, key.ToString());
        if (_writer.IsBehind(key, existing))
        {
            return ReconcileResult.After(TimeSpan.FromSeconds(1));
        }

        var endpoints = _endpoints.Indexer.Get(key.Namespace, key.Name);
        var plan = MirrorPlan.Of(IsMirrored(_services.Indexer.Get(key.Namespace, key.Name), endpoints) ? endpoints : null, existing);
        await _writer.ApplyAsync(key, plan.Create, plan.Update, plan.Delete, cancellationToken);
        if (endpoints is null)
        {
            _writer.Forget(key);
        }

        return ReconcileResult.Done;
    }

    protected override void OnTermStarted() => _writer.Clear();

    private static bool IsMirrored(Service? service, EndpointsObject? endpoints) =>
        service is { Metadata.DeletionTimestamp: null, Spec: { Selector: not { Count: > 0 }, Type: not "ExternalName" } }
        && endpoints is { Metadata.DeletionTimestamp: null }
        && endpoints.Metadata.Labels?.GetValueOrDefault(SkipLabel) != "true"
        && endpoints.Metadata.Annotations?.ContainsKey(LeaderAnnotation) != true;

    private void EnqueueService(EndpointSlice slice)
    {
        if (ServiceOf(slice) is { } key)
        {
            Queue.Add(key);
        }
    }

    /// <summary>The Service of a slice that is ours.</summary>
    private static NamespacedName? ServiceOf(EndpointSlice slice) =>
        slice.Metadata.Labels is { } labels
        && labels.GetValueOrDefault(SlicePlan.ManagedByLabel) == MirrorPlan.Manager
        && labels.TryGetValue(SlicePlan.ServiceNameLabel, out var service)
            ? new NamespacedName(slice.Metadata.Namespace ?? "", service)
            : null;
}
