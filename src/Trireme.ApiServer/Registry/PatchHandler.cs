using System.Text;
using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Apply;
using Trireme.Api.Documents;
using Trireme.Api.Patch;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>Answers patches: computed from the newest version, and again when another change came first.</summary>
internal sealed class PatchHandler(ResourceStore store, TimeProvider time)
{
    private const string Json = "application/json-patch+json";
    private const string Merge = "application/merge-patch+json";
    private const string Strategic = "application/strategic-merge-patch+json";
    private const string ApplyYaml = "application/apply-patch+yaml";

    public async Task HandleAsync(WriteRequest request)
    {
        if (RequestBody.MediaType(request.Http.Request.ContentType) == ApplyYaml)
        {
            await ApplyAsync(request);
            return;
        }

        var apply = await ReadAsync(request);
        var (obj, created) = await store.UpdateAsync(request, request.Info.Name, old => ValueTask.FromResult(Patched(request, old, apply)));
        await ObjectResponse.WriteAsync(request.Http, obj, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    /// <summary>Reads the patch: a function from the newest object to the patched one.</summary>
    internal static async Task<Func<ApiDocument?, ApiDocument>> ReadAsync(WriteRequest request)
    {
        var mediaType = RequestBody.MediaType(request.Http.Request.ContentType);
        var custom = request.Resource.Definition.IsCustom;
        if (mediaType is not (Json or Merge) && (mediaType != Strategic || custom))
        {
            throw new ApiStatusException(ApiStatus.UnsupportedMediaType(
                mediaType, custom ? [Json, Merge, ApplyYaml] : [Json, Merge, Strategic, ApplyYaml]));
        }

        var bytes = await JsonAnswer.ReadBodyAsync(request.Http);
        try
        {
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

    /// <summary>Server-side apply: the body is what the client wants, and creates the object where there is none.</summary>
    private async Task ApplyAsync(WriteRequest request)
    {
        if (request.Http.Request.Query["fieldManager"].ToString().Length == 0)
        {
            throw ApiStatusException.Create(
                422, "Invalid", "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
        }

        var bytes = await JsonAnswer.ReadBodyAsync(request.Http);
        ApiDocument applied;
        try
        {
            applied = YamlDocuments.Parse(bytes);
        }
        catch (ApiDocumentException e)
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"error decoding YAML: {e.Message}"));
        }

        var definition = request.Resource.Definition;
        if (applied.ApiVersion != definition.ApiVersion || applied.Kind != definition.Kind)
        {
            // What is applied must say itself what it is.
            var version = applied.ApiVersion.Contains('/', StringComparison.Ordinal) ? applied.ApiVersion : "/" + applied.ApiVersion;
            throw new ApiStatusException(ApiStatus.BadRequest($"invalid object type: {version}, Kind={applied.Kind}"));
        }

        RequestBody.CheckIdentity(request, applied);
        applied.Metadata.Namespace = request.Namespace;
        var (obj, created) = await store.UpdateAsync(request, request.Info.Name, old => ValueTask.FromResult(Applied(request, old, applied.Clone())));
        await ObjectResponse.WriteAsync(request.Http, obj, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    private ApiDocument Applied(WriteRequest request, ApiDocument? old, ApiDocument applied)
    {
        var subresource = request.Info.Subresource.Length == 0 ? null : request.Info.Subresource;
        if (old is null && applied.Metadata.Uid is { Length: > 0 })
        {
            throw new ApiStatusException(ApiStatus.Conflict(
                request.Resource.Definition.GroupResource, request.Info.Name, $"uid mismatch: the provided object specified uid {applied.Metadata.Uid}, and no existing object was found"));
        }

        var result = ServerSideApply.Apply(
            old, applied, request.Resource.Definition, request.FieldManager, request.Force, subresource, time.GetUtcNow());
        if (result.Error is not null)
        {
            throw new ApiStatusException(result.Error);
        }

        var obj = result.Object!;
        if (old is null || subresource is null)
        {
            return obj;
        }

        var managed = obj.Metadata.ManagedFields;
        var projected = WriteHandlers.Project(request, old, obj);
        projected.Metadata.ManagedFields = managed;
        return projected;
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

        ObjectRules.CheckSchema(request, obj, [], () => apply(old).Root.ToString());
        return WriteHandlers.Project(request, old, obj);
    }

    private static ApiDocument Demand(WriteRequest request, ApiDocument? old) =>
        old ?? throw new ApiStatusException(ApiStatus.NotFound(request.Resource.Definition.GroupResource, request.Info.Name));

    private static ApiDocument ApplyJson(ApiDocument old, ApiNode patch) =>
        JsonPatch.TryApply(old.Root, patch, out var result, out var error)
            ? Document(result)
            : throw Refused(error);

    /// <summary>The answer to a JSON patch that was not applied.</summary>
    internal static ApiStatusException Refused(JsonPatchError error) => error.IsTooLarge
        ? new ApiStatusException(ApiStatus.RequestEntityTooLarge(error.Message))
        : ApiStatusException.Create(422, "Invalid", $"the server rejected our request due to an error in our request: {error.Message}");

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

    /// <exception cref="ApiStatusException">400: the patch made something else than an object.</exception>
    internal static ApiDocument Document(ApiNode node) =>
        node is ApiObject root ? new ApiDocument(root) : throw new ApiStatusException(ApiStatus.BadRequest("a patch must leave an object"));
}
