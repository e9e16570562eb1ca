using Microsoft.Extensions.Logging;
using Trireme.Api.Models;

namespace Trireme.Client.Informers;

/// <summary>A <see cref="ISharedInformer{T}"/> over the metadata (without labels and annotations) of one resource. Its owner decides how long it runs: resources come and go.</summary>
public sealed class MetadataInformer
{
    private readonly SharedInformer<PartialObjectMetadata> _informer;

    internal MetadataInformer(IApiClient client, ResourceInfo resource, ILogger logger, TimeProvider time, Random random)
    {
        Resource = resource;
        _informer = new SharedInformer<PartialObjectMetadata>(new MetadataListWatch(client, resource), new ListOptions(), logger, time, random);
    }

    public ResourceInfo Resource { get; }

    public ISharedInformer<PartialObjectMetadata> Informer => _informer;

    public Task RunAsync(CancellationToken cancellationToken) => _informer.RunAsync(cancellationToken);
}
