using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;

namespace Trireme.TestKit.Client;

/// <summary>One call that reached the fake API.</summary>
/// <param name="Verb"><c>get</c>, <c>list</c>, <c>watch</c>, <c>create</c>, <c>update</c>, <c>patch</c>, <c>delete</c> or <c>discover</c>.</param>
/// <param name="Resource">Plural, with the group behind a dot unless core: <c>deployments.apps</c>. For discovery the path: <c>apis/apps/v1</c>.</param>
/// <param name="Subresource">For example <c>status</c>.</param>
/// <param name="Key">The object; its name is empty for list and watch.</param>
public sealed record FakeRequest(string Verb, string Resource, string? Subresource, NamespacedName Key)
{
    public bool IsWrite => Verb is "create" or "update" or "patch" or "delete";
}

/// <summary>An API in memory that behaves to its clients as the real one: versions, conflicts, watches, status, finalizers, graceful deletion of pods.</summary>
/// <remarks>
/// It neither validates nor defaults nor authorizes. A strategic merge patch merges lists by the usual keys only. Thread-safe.
/// <see cref="Requests"/> shows what was asked, <see cref="Intercept"/> lets a test refuse or break a request.
/// </remarks>
public sealed class FakeApiClient : IApiClient
{
    private readonly FakeStore _store;
    private readonly List<FakeRequest> _requests = [];
    private readonly Dictionary<Type, Action<object>> _computed;

    // Whose reads must be confirmed; null for the fake itself.
    private readonly FakeApiClient? _confirmedViewOf;

    public FakeApiClient(TimeProvider? time = null) => (_store, _computed) = (new FakeStore(time ?? TimeProvider.System), []);

    private FakeApiClient(FakeApiClient whole) => (_store, _computed, _confirmedViewOf) = (whole._store, whole._computed, whole);

    /// <summary>Called before each request; an exception that it returns is thrown to the caller.</summary>
    public Func<FakeRequest, Exception?>? Intercept { get; set; }

    /// <summary>Called when a request has had its effect; an exception that it returns is thrown instead of the answer.</summary>
    public Func<FakeRequest, Exception?>? LoseAnswer { get; set; }

    /// <summary>While true no request gets through, and watches that are open break.</summary>
    public bool Unreachable
    {
        get => _store.Unreachable;
        set
        {
            _store.Unreachable = value;
            if (value)
            {
                _store.BreakWatches(new ApiUnavailableException("fake API is unreachable"));
            }
        }
    }

    /// <summary>While true no read is confirmed by the store: those that must be fail.</summary>
    public bool Unconfirmed { get; set; }

    /// <summary>All requests so far, in order.</summary>
    public IReadOnlyList<FakeRequest> Requests
    {
        get
        {
            lock (_requests)
            {
                return [.. _requests];
            }
        }
    }

    /// <summary>Terms are the real server's business.</summary>
    public IApiClient InTerm(Func<LeaseTerm?> term) => this;

    public IApiClient Confirmed() => _confirmedViewOf is null ? new FakeApiClient(this) : this;

    /// <summary>Whoever hangs here hangs for all.</summary>
    public IApiClient Impatient(TimeSpan attemptTimeout) => this;

    public IEnumerable<FakeRequest> Writes => Requests.Where(r => r.IsWrite);

    public void ClearRequests()
    {
        lock (_requests)
        {
            _requests.Clear();
        }
    }

    /// <summary>Creates or replaces an object as a whole, status included, whatever its version; returns it as stored.</summary>
    public T Seed<T>(T obj)
        where T : class, IKubernetesObject<T> => Read<T>(_store.Seed(Id(T.Resource, obj.Metadata.Namespace, obj.Metadata.Name!), Node(obj)));

    /// <summary>The object as it is now, or null; not counted as a request.</summary>
    public T? Peek<T>(string? @namespace, string name)
        where T : class, IKubernetesObject<T> => _store.Find(Id(T.Resource, @namespace, name)) is { } node ? Read<T>(node) : null;

    /// <summary>All objects of a kind, ordered by key; not counted as a request.</summary>
    public IReadOnlyList<T> PeekAll<T>(string? @namespace = null)
        where T : class, IKubernetesObject<T> =>
        [.. _store.List(T.Resource, @namespace, null, null).Items.Select(Read<T>)];

    /// <summary>Removes an object at once, finalizers or not, as if it had never been protected.</summary>
    public void Remove<T>(string? @namespace, string name)
        where T : class, IKubernetesObject<T> => _store.Remove(Id(T.Resource, @namespace, name));

    /// <summary>Makes a resource known to discovery before anyone has used it.</summary>
    public void Register(ResourceInfo resource) => _store.Register(resource);

    /// <summary>Answers creations of a kind that is not stored but computed (reviews) by completing what was sent.</summary>
    public void OnCreate<T>(Action<T> complete)
        where T : class, IKubernetesObject<T> => _computed[typeof(T)] = obj => complete((T)obj);

    /// <summary>Ends all watches as a server does that shuts down.</summary>
    public void CloseWatches() => _store.BreakWatches(null);

    /// <summary>Forgets history: watches from versions before now get 410.</summary>
    public void Compact() => _store.Compact();

    /// <summary>Sends a bookmark to every watch.</summary>
    public void SendBookmarks() => _store.SendBookmarks();

    public Task<T> GetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Do("get", T.Resource, null, @namespace, name, id => Read<T>(_store.Find(id) ?? throw FakeErrors.NotFound(id)), cancellationToken);

    public Task<T?> FindAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Do("get", T.Resource, null, @namespace, name, id => _store.Find(id) is { } node ? Read<T>(node) : null, cancellationToken);

    public Task<KubernetesList<T>> ListAsync<T>(string? @namespace, ListOptions? options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Do("list", T.Resource, null, @namespace, "", _ =>
        {
            var (items, revision) = _store.List(T.Resource, @namespace, options?.LabelSelector, options?.FieldSelector);
            return new KubernetesList<T> { Items = [.. items.Select(Read<T>)], Metadata = new ListMeta { ResourceVersion = $"{revision}" } };
        }, cancellationToken);

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(string? @namespace, ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var watch = await Do("watch", T.Resource, null, @namespace, "", _ => _store.Watch(T.Resource, @namespace, options), cancellationToken);
        try
        {
            await foreach (var (type, node) in watch.ReadAllAsync(cancellationToken))
            {
                yield return new WatchEvent<T>(type, Read<T>(node));
            }
        }
        finally
        {
            _store.Close(watch);
        }
    }

    public Task<T> CreateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        if (_computed.TryGetValue(typeof(T), out var complete))
        {
            var answer = obj.Clone();
            complete(answer);
            return Task.FromResult(answer);
        }

        var node = Node(obj);
        if (string.IsNullOrEmpty(obj.Metadata.Name))
        {
            node["metadata"]!["name"] = obj.Metadata.GenerateName + _store.NextSuffix();
        }

        return Do("create", T.Resource, null, obj.Metadata.Namespace, node["metadata"]!["name"]!.GetValue<string>(), id => Read<T>(_store.Create(id, node)), cancellationToken);
    }

    public Task<T> UpdateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Do("update", T.Resource, null, obj.Metadata.Namespace, obj.Metadata.Name!, id => Read<T>(_store.Update(id, Node(obj), null)), cancellationToken);

    public Task<T> UpdateStatusAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Do("update", T.Resource, "status", obj.Metadata.Namespace, obj.Metadata.Name!, id => Read<T>(_store.Update(id, Node(obj), "status")), cancellationToken);

    public Task<T> PatchAsync<T>(string? @namespace, string name, Patch patch, string? subresource, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Do("patch", T.Resource, subresource, @namespace, name, id => Read<T>(_store.Patch(id, patch, subresource)), cancellationToken);

    public Task DeleteAsync<T>(string? @namespace, string name, DeleteRequest? options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Do("delete", T.Resource, null, @namespace, name, id => _store.Delete(id, options), cancellationToken);

    public Task<TResult> CreateSubresourceAsync<TBody, TResult>(
        ResourceInfo resource, string? @namespace, string name, string subresource, TBody body, CancellationToken cancellationToken)
        where TBody : class, IModel<TBody>
        where TResult : class, IModel<TResult> =>
        Do("create", resource, subresource, @namespace, name, id =>
        {
            var json = JsonNode.Parse(ModelJson.ToUtf8(body))!;
            var answer = _store.CreateSubresource(id, subresource, json);
            return ModelJson.Read<TResult>(System.Text.Encoding.UTF8.GetBytes(answer.ToJsonString()));
        }, cancellationToken);

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string pathAndQuery, ReadOnlyMemory<byte>? body, string? contentType, CancellationToken cancellationToken) =>
        FakeHttp.SendAsync(_store, Check, method, pathAndQuery, body, contentType, cancellationToken);

    private static FakeId Id(ResourceInfo resource, string? @namespace, string name) =>
        new(resource, new NamespacedName(resource.Namespaced ? @namespace ?? "" : "", name));

    private static JsonObject Node<T>(T obj)
        where T : IModel<T> => (JsonObject)JsonNode.Parse(ModelJson.ToUtf8(obj))!;

    private static T Read<T>(JsonObject node)
        where T : IModel<T> => ModelJson.Read<T>(System.Text.Encoding.UTF8.GetBytes(node.ToJsonString()));

    private async Task<TResult> Do<TResult>(
        string verb, ResourceInfo resource, string? subresource, string? @namespace, string name, Func<FakeId, TResult> act, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // As over a network, the caller goes on elsewhere: what only works synchronously shows.
        await Task.Yield();
        var id = Id(resource, @namespace, name);
        var request = new FakeRequest(verb, id.ResourceName, subresource, id.Key);
        Check(request);
        var answer = act(id);
        return LoseAnswer?.Invoke(request) is { } failure ? throw failure : answer;
    }

    private void Check(FakeRequest request)
    {
        if (_confirmedViewOf is { } whole)
        {
            whole.Check(request);
            if (whole.Unconfirmed && !request.IsWrite)
            {
                throw new ApiUnavailableException(StaleRead.Text);
            }

            return;
        }

        lock (_requests)
        {
            _requests.Add(request);
        }

        if (Unreachable)
        {
            throw new ApiUnavailableException("fake API is unreachable");
        }

        if (Intercept?.Invoke(request) is { } failure)
        {
            throw failure;
        }
    }
}

/// <summary>Names one object of one resource.</summary>
internal readonly record struct FakeId(ResourceInfo Resource, NamespacedName Key)
{
    public string ResourceName => Resource.Group.Length == 0 ? Resource.Plural : $"{Resource.Plural}.{Resource.Group}";
}

/// <summary>Refusals, worded like the server's.</summary>
internal static class FakeErrors
{
    public static ApiException NotFound(FakeId id) => Make(
        HttpStatusCode.NotFound, "NotFound", $"{id.ResourceName} \"{id.Key.Name}\" not found", new StatusDetails { Name = id.Key.Name, Group = id.Resource.Group, Kind = id.Resource.Plural });

    public static ApiException AlreadyExists(FakeId id) => Make(HttpStatusCode.Conflict, "AlreadyExists", $"{id.ResourceName} \"{id.Key.Name}\" already exists");

    public static ApiException Conflict(FakeId id) => Make(
        HttpStatusCode.Conflict,
        "Conflict",
        $"Operation cannot be fulfilled on {id.ResourceName} \"{id.Key.Name}\": the object has been modified; please apply your changes to the latest version and try again");

    public static ApiException AlreadyAssigned(FakeId id, string node) => Make(
        HttpStatusCode.Conflict, "Conflict", $"Operation cannot be fulfilled on pods \"{id.Key.Name}\": pod {id.Key.Name} is already assigned to node \"{node}\"");

    public static ApiException Expired(long revision) => Make(HttpStatusCode.Gone, "Expired", $"too old resource version: {revision}");

    public static ApiException BadRequest(string message) => Make(HttpStatusCode.BadRequest, "BadRequest", message);

    private static ApiException Make(HttpStatusCode code, string reason, string message, StatusDetails? details = null) =>
        new(code, new Status { Kind = "Status", ApiVersion = "v1", StatusValue = "Failure", Code = (int)code, Reason = reason, Message = message, Details = details });
}
