using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Trireme.Api;
using Trireme.Api.Schema;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.CustomResources;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>
/// Every resource of the API over one store: dispatches requests to the caches (reads) and to the generic registry (writes).
/// </summary>
/// <remarks>
/// Nothing here asks which kind it is: built-in kinds come from <see cref="BuiltInResources"/>, custom ones are added while running, and
/// what only one kind does is in its <see cref="ResourceStrategy"/> or its subresource handler.
/// </remarks>
public sealed partial class ResourceRegistry : IResourceRegistry
{
    private readonly ConcurrentDictionary<(string Group, string Version, string Plural), RegisteredResource> _resources = new();
    private volatile IReadOnlyList<ResourceDefinition> _definitions = BuiltInResources.All;
    private readonly IRevisionedStore _store;
    private readonly ResourceRegistryOptions _options;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private readonly Reflector _reflector;
    private readonly ConsistentReads _consistentReads;
    private readonly CacheReads _reads;
    private readonly GetHandler _get;
    private readonly ListHandler _list;
    private readonly WatchHandler _watch;
    private readonly ResourceStore _objects;
    private readonly WriteHandlers _writes;
    private readonly PatchHandler _patches;
    private readonly Dictionary<(string Resource, string Subresource), ISubresourceHandler> _subresources;
    private readonly CustomResourceController _customResources;

    /// <param name="options">Settings.</param>
    /// <param name="store">Where everything is; not disposed here.</param>
    /// <param name="time">Clock of timestamps, timeouts and loops.</param>
    /// <param name="loggers">Logs.</param>
    public ResourceRegistry(ResourceRegistryOptions options, IRevisionedStore store, TimeProvider time, ILoggerFactory loggers)
    {
        _options = options;
        _store = store;
        _time = time;
        _loggers = loggers;
        var random = options.Seed is { } seed ? new Random(seed) : new Random();
        _reflector = new Reflector(store, options.StoreRoot, time, loggers.CreateLogger<Reflector>());
        _consistentReads = new ConsistentReads(store, _reflector, time);
        _reads = new CacheReads(_reflector, _consistentReads, time);
        _get = new GetHandler(_reads, time);
        _list = new ListHandler(_reads, time);
        _watch = new WatchHandler(_reads, time, new Random(random.Next()));
        var names = new NameGenerator(random);
        var commits = new FencedCommits(store, () => _resources[("coordination.k8s.io", "v1", "leases")].Cache);
        _objects = new ResourceStore(store, commits, CreateAdmission(names), names, time, options.StoreRoot);
        _writes = new WriteHandlers(_objects, _reads);
        _patches = new PatchHandler(_objects, time);
        _subresources = CreateSubresources();
        foreach (var definition in BuiltInResources.All)
        {
            if (definition.Supports("list"))
            {
                Add(definition, StrategyOf(definition));
            }
        }

        _customStrategy = new CustomResourceStrategy(this);
        _customResources = CreateCustomResourceController();
        Subscribe(CustomResourceDefinitions.Group, CustomResourceDefinitions.Plural, _customResources);
    }

    /// <inheritdoc/>
    public Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user)
    {
        return _resources.TryGetValue((info.Group, info.Version, info.Resource), out var resource)
            ? HandleAsync(http, info, user, resource)
            : HandleVirtualAsync(http, info, user);
    }

    private Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource)
    {
        // A namespaced object has no path outside of its namespace; its collection does, to be read.
        if (resource.Definition.Namespaced && info.Namespace.Length == 0 && info.Verb is not ("list" or "watch"))
        {
            throw new ApiStatusException(info.IsNamed ? ApiStatus.NotFoundPath() : ApiStatus.MethodNotAllowed());
        }

        // Nor has one of the whole cluster a path within a namespace: the rights there would open it.
        if (!resource.Definition.Namespaced && info.IsInNamespace)
        {
            throw new ApiStatusException(ApiStatus.NotFoundPath());
        }

        if (info.Subresource.Length == 0 && info.IsNamed == info.Verb is "create" or "list" or "watch" or "deletecollection")
        {
            throw new ApiStatusException(ApiStatus.MethodNotAllowed());
        }

        if (info.Subresource.Length > 0)
        {
            return HandleSubresourceAsync(http, info, user, resource);
        }

        if (!resource.Definition.Supports(info.Verb))
        {
            throw new ApiStatusException(ApiStatus.MethodNotAllowed());
        }

        return info.Verb switch
        {
            "get" => _get.HandleAsync(http, resource.Cache, info, resource.Tables),
            "list" => _list.HandleAsync(http, resource.Cache, info, resource.Tables),
            "watch" => _watch.HandleAsync(http, resource.Cache, info, resource.Tables),
            "create" => _writes.CreateAsync(WriteRequest.Create(http, info, user, resource)),
            "update" => _writes.UpdateAsync(WriteRequest.Create(http, info, user, resource)),
            "patch" => _patches.HandleAsync(WriteRequest.Create(http, info, user, resource)),
            "delete" => _writes.DeleteAsync(WriteRequest.Create(http, info, user, resource)),
            "deletecollection" => _writes.DeleteCollectionAsync(WriteRequest.Create(http, info, user, resource)),
            _ => throw new ApiStatusException(ApiStatus.MethodNotAllowed()),
        };
    }

    private Task HandleSubresourceAsync(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource)
    {
        if (!resource.Definition.Subresources.TryGetValue(info.Subresource, out var subresource))
        {
            throw new ApiStatusException(ApiStatus.NotFoundPath());
        }

        if (!subresource.Verbs.Contains(info.Verb))
        {
            throw new ApiStatusException(ApiStatus.MethodNotAllowed());
        }

        if (_subresources.TryGetValue(("*", info.Subresource), out var handler)
            || _subresources.TryGetValue((resource.Definition.Plural, info.Subresource), out handler))
        {
            return handler.HandleAsync(http, info, user, resource);
        }

        return info.Verb switch
        {
            "get" => _get.HandleAsync(http, resource.Cache, info, resource.Tables),
            "update" => _writes.UpdateAsync(WriteRequest.Create(http, info, user, resource)),
            "patch" => _patches.HandleAsync(WriteRequest.Create(http, info, user, resource)),
            _ => throw new ApiStatusException(ApiStatus.MethodNotAllowed()),
        };
    }

    /// <summary>Resources that have no objects of their own.</summary>
    private async Task HandleVirtualAsync(HttpContext http, RequestInfo info, UserInfo user)
    {
        if (info is { Group: "", Version: "v1", Resource: "bindings", Verb: "create" })
        {
            await _subresources[("pods", "binding")].HandleAsync(http, info, user, _resources[("", "v1", "pods")]);
            return;
        }

        if (await FindDefinedAsync(info, http.RequestAborted) is { } resource)
        {
            await HandleAsync(http, info, user, resource);
            return;
        }

        // Below the built-in groups a Status answers; all others are one unknown path.
        if (BuiltInResources.All.Any(d => d.Group == info.Group))
        {
            throw new ApiStatusException(ApiStatus.NotFoundPath());
        }

        await PageNotFound.WriteAsync(http);
    }

    private RegisteredResource Add(ResourceDefinition definition, ResourceStrategy strategy)
    {
        var converter = ConverterOf(definition);
        var cache = _reflector.Add(new CachedResource(definition, _options.StoreRoot) { Transform = TransformOf(converter) });
        var resource = new RegisteredResource(cache, strategy, definition, converter);
        _resources[(definition.Group, definition.Version, definition.Plural)] = resource;
        return resource;
    }
}
