using System.Net;
using System.Runtime.CompilerServices;
using Trireme.Api.Models;
using Trireme.Client.Transport;

namespace Trireme.Client.Informers;

/// <summary>What a reflector reads from.</summary>
internal interface IListWatch<T>
    where T : class, IKubernetesObject<T>
{
    ResourceInfo Resource { get; }

    /// <param name="options">Selection, version, and what to do with objects that cannot be read.</param>
    /// <param name="confirmed">Whether the list must be known to be the newest state: see <see cref="IApiClient.Confirmed"/>.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    Task<KubernetesList<T>> ListAsync(ListOptions options, bool confirmed, CancellationToken cancellationToken);

    IAsyncEnumerable<WatchEvent<T>> WatchAsync(ListOptions options, CancellationToken cancellationToken);
}

/// <summary>Objects of a resource that has a type.</summary>
internal sealed class TypedListWatch<T>(IApiClient client, string? @namespace) : IListWatch<T>
    where T : class, IKubernetesObject<T>
{
    public ResourceInfo Resource => T.Resource;

    public Task<KubernetesList<T>> ListAsync(ListOptions options, bool confirmed, CancellationToken cancellationToken) =>
        (confirmed ? client.Confirmed() : client).ListAsync<T>(@namespace, options, cancellationToken);

    public IAsyncEnumerable<WatchEvent<T>> WatchAsync(ListOptions options, CancellationToken cancellationToken) =>
        client.WatchAsync<T>(@namespace, options, cancellationToken);
}

/// <summary>The metadata of objects of any resource; the rest is passed over while reading.</summary>
internal sealed class MetadataListWatch(IApiClient client, ResourceInfo resource) : IListWatch<PartialObjectMetadata>
{
    public ResourceInfo Resource => resource;

    public async Task<KubernetesList<PartialObjectMetadata>> ListAsync(ListOptions options, bool confirmed, CancellationToken cancellationToken)
    {
        using var response = await OpenAsync(confirmed ? client.Confirmed() : client, options, watch: false, cancellationToken);
        using var body = await PooledBody.ReadAsync(response.Content, cancellationToken);
        var list = LenientReader.ReadList<PartialObjectMetadata>(body.Span, options.OnUnreadable);
        foreach (var item in list.Items)
        {
            Complete(item);
        }

        return list;
    }

    public async IAsyncEnumerable<WatchEvent<PartialObjectMetadata>> WatchAsync(ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var response = await OpenAsync(client, options, watch: true, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var watch = new WatchStream<PartialObjectMetadata>(stream, options.OnUnreadable);
        while (await watch.NextAsync(cancellationToken) is { } next)
        {
            Complete(next.Object);
            yield return next;
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(IApiClient through, ListOptions options, bool watch, CancellationToken cancellationToken)
    {
        var response = await through.SendAsync(HttpMethod.Get, resource.Path(null) + ApiQuery.Of(options, watch), null, null, cancellationToken);
        if (response.StatusCode == HttpStatusCode.OK)
        {
            return response;
        }

        using (response)
        {
            using var body = await PooledBody.ReadAsync(response.Content, cancellationToken);
            throw ApiException.From(response.StatusCode, body.Span);
        }
    }

    /// <summary>Items of a list come without their kind. Labels and annotations, most of the bytes, are not what such an informer is for.</summary>
    private void Complete(PartialObjectMetadata obj)
    {
        obj.Metadata.Annotations = null;
        obj.Metadata.Labels = null;
        obj.ApiVersion = resource.ApiVersion;
        obj.Kind = resource.Kind;
    }
}
