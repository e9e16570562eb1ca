using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>Answers create, update, delete and deletecollection of the objects themselves and of subresources that are parts of them.</summary>
internal sealed class WriteHandlers(ResourceStore store, CacheReads reads)
{
    private const int DeleteWorkers = 8;

    public async Task CreateAsync(WriteRequest request)
    {
        var (obj, duplicates) = await RequestBody.ReadAsync(request);
        var definition = request.Resource.Definition;
        RequestBody.CheckKind(obj, definition.ApiVersion, definition.Kind);
        RequestBody.CheckNamespace(request, obj);
        ObjectRules.CheckSchema(request, obj, duplicates);
        var created = await store.CreateAsync(request, obj, name: "");
        await ObjectResponse.WriteAsync(request.Http, created, StatusCodes.Status201Created);
    }

    public async Task UpdateAsync(WriteRequest request)
    {
        var (incoming, duplicates) = await RequestBody.ReadAsync(request);
        var definition = request.Resource.Definition;
        RequestBody.CheckKind(incoming, definition.ApiVersion, definition.Kind);
        RequestBody.CheckIdentity(request, incoming);
        ObjectRules.CheckSchema(request, incoming, duplicates);
        var (obj, created) = await store.UpdateAsync(
            request,
            request.Info.Name,
            old => ValueTask.FromResult(Project(request, old, incoming.Clone())));
        await ObjectResponse.WriteAsync(request.Http, obj, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    /// <summary>What an update makes: the object as it came in, or the old one with the part that the subresource may change.</summary>
    internal static ApiDocument Project(WriteRequest request, ApiDocument? old, ApiDocument incoming)
    {
        if (request.Info.Subresource.Length == 0 || old is null)
        {
            return incoming;
        }

        var result = request.Resource.Strategy.Project(request, request.Info.Subresource, old, incoming)
            ?? throw new ApiStatusException(ApiStatus.NotFoundPath());
        result.Metadata.ResourceVersion = incoming.Metadata.ResourceVersion;
        result.Metadata.Uid = incoming.Metadata.Uid ?? result.Metadata.Uid;
        return result;
    }

    public async Task DeleteAsync(WriteRequest request)
    {
        var options = await DeleteOptions.ReadAsync(request.Http);
        var (obj, deleted) = await store.DeleteAsync(request, request.Info.Name, options);
        if (deleted && !request.Resource.Strategy.ReturnsDeletedObject)
        {
            await ObjectResponse.WriteAsync(
                request.Http, ApiStatus.Deleted(request.Resource.Definition.GroupResource, request.Info.Name, obj.Metadata.Uid));
            return;
        }

        await ObjectResponse.WriteAsync(request.Http, obj, StatusCodes.Status200OK);
    }

    public async Task DeleteCollectionAsync(WriteRequest request)
    {
        var options = await DeleteOptions.ReadAsync(request.Http);
        var cache = request.Resource.Cache;
        var filter = ObjectFilter.Create(cache.Resource, request.Info);
        await reads.WaitAsync(request.Http, cache, VersionMatch.Consistent, default, request.Cancelled);
        var (snapshot, revision) = cache.Read();
        var selected = new List<CacheEntry>();
        foreach (var entry in snapshot.Range(cache.Resource.PrefixOf(request.Info.Namespace)))
        {
            if (filter.Matches(entry))
            {
                selected.Add(entry);
            }
        }

        var parallel = new ParallelOptions { MaxDegreeOfParallelism = DeleteWorkers, CancellationToken = request.Cancelled };
        await Parallel.ForEachAsync(selected, parallel, async (entry, _) =>
        {
            try
            {
                await store.DeleteAsync(request.Of(entry.Namespace), entry.Name, options with { Uid = UidOf(entry) });
            }
            catch (ApiStatusException e) when (e.Status.Code is 404 or 409 && e.Status.Reason is "NotFound" or "Conflict")
            {
                // Deleted, or deleted and made again, by somebody else meanwhile.
            }
        });
        var list = new ApiDocument(request.Resource.Definition.ApiVersion, request.Resource.Definition.ListKind);
        list.Metadata.ResourceVersion = revision.ToString();
        list["items"] = new ApiArray(selected.Select(e => ApiNode.Parse(e.Utf8)));
        await ObjectResponse.WriteAsync(request.Http, list, StatusCodes.Status200OK);
    }

    private static string? UidOf(CacheEntry entry) => ObjectScanner.GetString(entry.Utf8, "metadata", "uid");
}
