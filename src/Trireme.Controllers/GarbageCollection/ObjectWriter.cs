using System.Buffers;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;

namespace Trireme.Controllers.GarbageCollection;

/// <summary>What the garbage collector writes to objects of any kind; each write holds only for the version that was looked at.</summary>
internal sealed class ObjectWriter(IApiClient client, ILogger logger)
{
    /// <summary>Deletes this version of an object, which may be gone already.</summary>
    public async Task DeleteAsync(GraphNode node, PartialObjectMetadata live, string policy, CancellationToken cancellationToken)
    {
        logger.LogInformation("Deleting {Resource} {Key}: its owners are gone ({Policy})", node.Location.Resource!.Plural, node.Location.Key, policy);
        var options = new DeleteRequest(PropagationPolicy: policy, PreconditionUid: node.Uid, PreconditionResourceVersion: live.Metadata.ResourceVersion);
        await SendAsync(HttpMethod.Delete, node.Location, options.ToUtf8(), "application/json", cancellationToken);
    }

    /// <summary>Gives this version of an object other owners; null when it is gone.</summary>
    public Task<PartialObjectMetadata?> PatchOwnersAsync(
        ObjectLocation location, PartialObjectMetadata live, List<OwnerReference> owners, CancellationToken cancellationToken) =>
        PatchAsync(
            location,
            live,
            writer =>
            {
                writer.WriteStartArray("ownerReferences"u8);
                owners.ForEach(o => o.Write(writer));
                writer.WriteEndArray();
            },
            cancellationToken);

    /// <summary>Takes a finalizer from this version of an object, if it has it.</summary>
    public Task<PartialObjectMetadata?> DropFinalizerAsync(ObjectLocation location, PartialObjectMetadata live, string finalizer, CancellationToken cancellationToken) =>
        live.Metadata.Finalizers?.Contains(finalizer) != true ? Task.FromResult<PartialObjectMetadata?>(null) : PatchAsync(
            location,
            live,
            writer =>
            {
                writer.WriteStartArray("finalizers"u8);
                foreach (var other in live.Metadata.Finalizers.Where(f => f != finalizer))
                {
                    writer.WriteStringValue(other);
                }

                writer.WriteEndArray();
            },
            cancellationToken);

    private async Task<PartialObjectMetadata?> PatchAsync(
        ObjectLocation location, PartialObjectMetadata live, Action<Utf8JsonWriter> write, CancellationToken cancellationToken)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("metadata"u8);
            writer.WriteString("uid"u8, live.Metadata.Uid);
            writer.WriteString("resourceVersion"u8, live.Metadata.ResourceVersion);
            write(writer);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return await SendAsync(HttpMethod.Patch, location, buffer.WrittenMemory, "application/merge-patch+json", cancellationToken);
    }

    /// <returns>Null when the object is gone.</returns>
    private async Task<PartialObjectMetadata?> SendAsync(
        HttpMethod method, ObjectLocation location, ReadOnlyMemory<byte> body, string contentType, CancellationToken cancellationToken)
    {
        var path = location.Resource!.Path(location.Key.Namespace, location.Key.Name);
        using var response = await client.SendAsync(method, path, body, contentType, cancellationToken);
        var answer = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        return response.StatusCode switch
        {
            HttpStatusCode.NotFound => null,
            _ when response.IsSuccessStatusCode => ModelJson.Read<PartialObjectMetadata>(answer),
            _ => throw ApiException.From(response.StatusCode, answer),
        };
    }
}
