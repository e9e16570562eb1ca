using System.Text;
using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Patch;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>Answers patches: computed from the newest version, and again when another change came first.</summary>
internal sealed class PatchHandler(ResourceStore store)
{
    private const string Json = "application/json-patch+json";
    private const string Merge = "application/merge-patch+json";
    private const string Strategic = "application/strategic-merge-patch+json";
    private const string ApplyYaml = "application/apply-patch+yaml";

    public async Task HandleAsync(WriteRequest request)
    {
        var apply = await ReadAsync(request);
        var (obj, created) = await store.UpdateAsync(request, request.Info.Name, old => ValueTask.FromResult(Patched(request, old, apply)));
        await ObjectResponse.WriteAsync(request.Http, obj, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    /// <summary>Reads the patch: a function from the newest object to the patched one.</summary>
    internal static async Task<Func<ApiDocument?, ApiDocument>> ReadAsync(WriteRequest request)
    {
        var mediaType = RequestBody.MediaType(request.Http.Request.ContentType);
        var custom = request.Resource.Definition.IsCustom;
        if (mediaType is not (Json or Merge or ApplyYaml) && (mediaType != Strategic || custom))
        {
            throw new ApiStatusException(ApiStatus.UnsupportedMediaType(
                mediaType, custom ? [Json, Merge, ApplyYaml] : [Json, Merge, Strategic, ApplyYaml]));
        }

        var bytes = await JsonAnswer.ReadBodyAsync(request.Http);
        try
        {
            if (mediaType == ApplyYaml)
            {
                throw new ApiStatusException(ApiStatus.UnsupportedMediaType(mediaType, Json, Merge, Strategic));
            }

            var patch = bytes.AsSpan().TrimStart(" \r\n\t"u8) is [(byte)'{' or (byte)'[', ..]
                ? ApiNode.Parse(bytes)
                : YamlDocuments.Parse(Encoding.UTF8.GetString(bytes)).Root;
            return mediaType switch
            {
                Json => old => ApplyJson(Demand(request, old), patch),
                Merge => old => Document(MergePatch.Apply(Demand(request, old).Root, patch)),
                _ => old => ApplyStrategic(request, Demand(request, old), patch),
            };
        }
        catch (ApiDocumentException e)
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"error decoding patch: {e.Message}"));
        }
    }

    private static ApiDocument Patched(WriteRequest request, ApiDocument? old, Func<ApiDocument?, ApiDocument> apply)
    {
        var obj = apply(old);
        if (old is not null)
        {
            if (obj.Kind != old.Kind || obj.ApiVersion != old.ApiVersion)
            {
                throw new ApiStatusException(ApiStatus.BadRequest("a patch may not change kind or apiVersion"));
            }

            if (obj.Metadata.Name != request.Info.Name)
            {
                throw new ApiStatusException(ApiStatus.BadRequest(
                    $"the name of the object ({obj.Metadata.Name}) does not match the name on the URL ({request.Info.Name})"));
            }
        }

        ObjectRules.CheckSchema(request, obj, []);
        return WriteHandlers.Project(request, old, obj);
    }

    private static ApiDocument Demand(WriteRequest request, ApiDocument? old) =>
        old ?? throw new ApiStatusException(ApiStatus.NotFound(request.Resource.Definition.GroupResource, request.Info.Name));

    private static ApiDocument ApplyJson(ApiDocument old, ApiNode patch) =>
        JsonPatch.TryApply(old.Root, patch, out var result, out var error)
            ? Document(result)
            : throw ApiStatusException.Create(422, "Invalid", $"the server rejected our request due to an error in our request: {error}");

    private static ApiDocument ApplyStrategic(WriteRequest request, ApiDocument old, ApiNode patch)
    {
        if (patch is not ApiObject changes)
        {
            throw new ApiStatusException(ApiStatus.BadRequest("error decoding patch: expected an object"));
        }

        return StrategicMergePatch.TryApply(old.Root, changes, request.Resource.Definition.Schema.Root, out var result, out var error)
            ? Document(result)
            : throw new ApiStatusException(ApiStatus.BadRequest(error));
    }

    private static ApiDocument Document(ApiNode node) =>
        node is ApiObject root ? new ApiDocument(root) : throw new ApiStatusException(ApiStatus.BadRequest("a patch must leave an object"));
}
