using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Patch;
using Trireme.Api.Selectors;
using Trireme.Api.Schema;
using Trireme.Api.Validation;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry.Subresources;

/// <summary>The scale of a workload: one number that autoscalers and people change without knowing the kind.</summary>
internal sealed class ScaleHandler(ResourceStore store, CacheReads reads) : ISubresourceHandler
{
    private static readonly ScaleDefinition s_builtIn = new(".spec.replicas", ".status.replicas", null);

    /// <inheritdoc/>
    public async Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource)
    {
        var definition = resource.Definition.Scale ?? s_builtIn;
        if (info.Verb == "get")
        {
            var entry = await reads.FindAsync(http, resource.Cache, info, VersionMatch.Consistent, default, http.RequestAborted);
            await ObjectResponse.WriteAsync(http, ScaleOf(ApiDocument.Parse(entry.Utf8), definition), StatusCodes.Status200OK);
            return;
        }

        var request = WriteRequest.Create(http, info, user, resource);
        var change = await ReadAsync(request);
        var (obj, _) = await store.UpdateAsync(request, info.Name, old => ValueTask.FromResult(Scaled(request, old, definition, change)));
        await ObjectResponse.WriteAsync(http, ScaleOf(obj, definition), StatusCodes.Status200OK);
    }

    /// <summary>What the request makes of a Scale.</summary>
    private static async Task<Func<ApiDocument, ApiDocument>> ReadAsync(WriteRequest request)
    {
        if (request.Info.Verb == "update")
        {
            var (scale, _) = await RequestBody.ReadAsync(request);
            RequestBody.CheckKind(scale, "autoscaling/v1", "Scale");
            return _ => scale;
        }

        var patch = ReadPatch(await JsonAnswer.ReadBodyAsync(request.Http));
        return RequestBody.MediaType(request.Http.Request.ContentType) switch
        {
            "application/json-patch+json" => current => JsonPatch.TryApply(current.Root, patch, out var result, out var error)
                ? PatchHandler.Document(result)
                : throw PatchHandler.Refused(error),
            "application/merge-patch+json" or "application/strategic-merge-patch+json" => current => PatchHandler.Document(MergePatch.Apply(current.Root, patch)),
            var type => throw new ApiStatusException(ApiStatus.UnsupportedMediaType(
                type, "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json")),
        };
    }

    private static ApiNode ReadPatch(byte[] body)
    {
        try
        {
            return ApiNode.Parse(body);
        }
        catch (ApiDocumentException e)
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"error decoding patch: {e.Message}"));
        }
    }

    private static ApiDocument Scaled(WriteRequest request, ApiDocument? old, ScaleDefinition definition, Func<ApiDocument, ApiDocument> change)
    {
        if (old is null)
        {
            throw new ApiStatusException(ApiStatus.NotFound(request.Resource.Definition.GroupResource, request.Info.Name));
        }

        var scale = change(ScaleOf(old, definition));
        var wanted = scale.Spec?["replicas"];
        if ((wanted is null ? 0 : wanted.AsInt32()) is not ({ } replicas and >= 0))
        {
            // Also what is no number at all: taken for nothing given, it would end every pod.
            var problem = wanted!.AsInt32() < 0 ? "must be greater than or equal to 0" : $"must be a whole number up to {int.MaxValue}";
            var error = FieldError.Invalid(FieldPath.Of("spec", "replicas"), wanted, problem);
            throw new ApiStatusException(ApiStatus.Invalid(new GroupKind("autoscaling", "Scale"), request.Info.Name, [error]));
        }

        var result = old.Clone();
        var segments = Segments(definition.SpecReplicasPath);
        var parent = result.Root;
        foreach (var segment in segments[..^1])
        {
            parent = parent.GetOrAddObject(segment);
        }

        parent.Set(segments[^1], replicas);
        result.Metadata.ResourceVersion = scale.Metadata.ResourceVersion;
        return result;
    }

    private static ApiDocument ScaleOf(ApiDocument obj, ScaleDefinition definition)
    {
        var scale = new ApiDocument("autoscaling/v1", "Scale");
        scale.Metadata.Name = obj.Metadata.Name;
        scale.Metadata.Namespace = obj.Metadata.Namespace;
        scale.Metadata.Uid = obj.Metadata.Uid;
        scale.Metadata.ResourceVersion = obj.Metadata.ResourceVersion;
        scale.Metadata.CreationTimestamp = obj.Metadata.CreationTimestamp;
        var spec = new ApiObject();
        if (obj.Find(Segments(definition.SpecReplicasPath))?.AsInt64() is { } replicas and not 0)
        {
            spec.Set("replicas", replicas);
        }

        scale["spec"] = spec;
        var status = new ApiObject();
        status.Set("replicas", obj.Find(Segments(definition.StatusReplicasPath))?.AsInt64() ?? 0);
        status.SetOrRemove("selector", SelectorOf(obj, definition));
        scale["status"] = status;
        return scale;
    }

    private static string SelectorOf(ApiDocument obj, ScaleDefinition definition)
    {
        if (definition.LabelSelectorPath is { } path)
        {
            return obj.Find(Segments(path))?.AsString() ?? "";
        }

        var selector = obj.Spec?.GetObject("selector");
        var isPlain = selector is not null && !selector.ContainsKey("matchLabels") && !selector.ContainsKey("matchExpressions");
        return isPlain
            ? LabelRequirements.OfSet(selector!.Select(l => KeyValuePair.Create(l.Key, l.Value.AsString() ?? ""))).ToString()
            : LabelRequirements.Of(selector).ToString();
    }

    private static string[] Segments(string path) => path.Split('.', StringSplitOptions.RemoveEmptyEntries);
}
