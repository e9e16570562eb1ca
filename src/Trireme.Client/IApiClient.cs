using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Client;

/// <summary>
/// Typed access to the API, over as many servers as are known; the one door through which components see the cluster.
/// </summary>
/// <remarks>
/// A request goes to the server that answered last; when it cannot be reached the next one is tried at once. A request that may have
/// been applied (a write whose answer was lost) is not repeated blindly: creates are checked by reading, updates carry a
/// resourceVersion. Thread-safe. Failures of the API are <see cref="ApiException"/>, whose <c>Reason</c> tells what to do; an unreachable API is
/// <see cref="ApiUnavailableException"/>.
/// </remarks>
public interface IApiClient
{
    /// <exception cref="ApiException">Reason <c>NotFound</c> when it does not exist.</exception>
    Task<T> GetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <summary>As <see cref="GetAsync{T}"/>, null when it does not exist.</summary>
    Task<T?> FindAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <param name="namespace">Null lists all namespaces.</param>
    /// <param name="options">Selectors and resourceVersion; null for a consistent list of everything.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    Task<KubernetesList<T>> ListAsync<T>(string? @namespace, ListOptions? options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <summary>Events from <see cref="ListOptions.ResourceVersion"/> on, until the server ends the watch.</summary>
    /// <exception cref="ApiException">Reason <c>Expired</c> (410) when history is gone: list again.</exception>
    IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(string? @namespace, ListOptions options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <exception cref="ApiException">Reason <c>AlreadyExists</c>, <c>Invalid</c>, <c>Forbidden</c> and so on.</exception>
    Task<T> CreateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <exception cref="ApiException">Reason <c>Conflict</c> when the resourceVersion is not the newest.</exception>
    Task<T> UpdateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <summary>Replaces the status only.</summary>
    Task<T> UpdateStatusAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <param name="patch">Body of the patch and its kind.</param>
    /// <param name="namespace">Null for a cluster-scoped object.</param>
    /// <param name="name">Name of the object.</param>
    /// <param name="subresource">For example <c>status</c>; null for the object itself.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    Task<T> PatchAsync<T>(string? @namespace, string name, Patch patch, string? subresource, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <summary>Deletes an object; an object that is already gone is not an error.</summary>
    Task DeleteAsync<T>(string? @namespace, string name, DeleteRequest? options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>;

    /// <summary>Creates a subresource such as <c>binding</c>, <c>eviction</c> or <c>token</c>, and returns what the server answers.</summary>
    Task<TResult> CreateSubresourceAsync<TBody, TResult>(ResourceInfo resource, string? @namespace, string name, string subresource, TBody body, CancellationToken cancellationToken)
        where TBody : class, IModel<TBody>
        where TResult : class, IModel<TResult>;

    /// <summary>Sends a request that has no typed form (discovery, generic garbage collection); the caller disposes the response.</summary>
    /// <remarks>Status codes are not turned into exceptions.</remarks>
    Task<HttpResponseMessage> SendAsync(HttpMethod method, string pathAndQuery, ReadOnlyMemory<byte>? body, string? contentType, CancellationToken cancellationToken);

    /// <summary>The same API for the work of an elected leader: the server refuses its writes (409) once the term has passed on.</summary>
    /// <param name="term">The term in which the caller acts, asked at each write; null means that it is not elected.</param>
    IApiClient InTerm(Func<LeaseTerm?> term);

    /// <summary>The same API for whoever acts on what is absent: a read that the server answers from a cache which the store did not confirm
    /// (<see cref="StaleRead"/>) fails as <see cref="ApiUnavailableException"/>.</summary>
    IApiClient Confirmed();

    /// <summary>The same API for requests that are worth nothing late: a server that has not answered for so long is asked no more, and the next try goes to
    /// another, over a new connection. The connections are its own, so that one which hangs is replaced without harm to other requests.</summary>
    /// <param name="attemptTimeout">How long one server may take.</param>
    IApiClient Impatient(TimeSpan attemptTimeout);
}

/// <summary>Query of a list or watch.</summary>
public sealed record ListOptions
{
    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>Null asks for the newest state; "0" is content with any.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary><c>NotOlderThan</c> or <c>Exact</c>; null leaves it to the server. For lists only.</summary>
    public string? ResourceVersionMatch { get; init; }

    /// <summary>Entries per page; 0 for all at once.</summary>
    public int Limit { get; init; }

    /// <summary>Token of the page before.</summary>
    public string? Continue { get; init; }

    /// <summary>After how many seconds the server ends a watch; null leaves it to the server.</summary>
    public int? TimeoutSeconds { get; init; }

    /// <summary>Called for an object that is not as its kind demands; it is left out then. Null makes it fail the list or watch.</summary>
    public Action<UnreadableObject>? OnUnreadable { get; init; }
}

/// <summary>An object of a list or watch that is not as its kind demands.</summary>
/// <param name="Key">Which object.</param>
/// <param name="ResourceVersion">Its version, or null.</param>
/// <param name="Event">What the watch said of it; null in a list.</param>
/// <param name="Cause">What is wrong with it.</param>
public sealed record UnreadableObject(NamespacedName Key, string? ResourceVersion, WatchEventType? Event, Exception Cause);

/// <summary>How to delete.</summary>
/// <param name="GracePeriodSeconds">Null leaves it to the object.</param>
/// <param name="PropagationPolicy"><c>Background</c>, <c>Foreground</c> or <c>Orphan</c>; null leaves it to the kind.</param>
/// <param name="PreconditionUid">Deletes only the object with this uid.</param>
/// <param name="PreconditionResourceVersion">Deletes only this version of the object.</param>
public sealed record DeleteRequest(int? GracePeriodSeconds = null, string? PropagationPolicy = null, string? PreconditionUid = null, string? PreconditionResourceVersion = null)
{
    /// <summary>The body of the request: a DeleteOptions object.</summary>
    public byte[] ToUtf8() => ModelJson.ToUtf8(new DeleteOptions
    {
        Kind = "DeleteOptions",
        ApiVersion = "v1",
        GracePeriodSeconds = GracePeriodSeconds,
        PropagationPolicy = PropagationPolicy,
        Preconditions = PreconditionUid is null && PreconditionResourceVersion is null
            ? null
            : new Preconditions { Uid = PreconditionUid, ResourceVersion = PreconditionResourceVersion },
    });
}

/// <summary>A patch and the media type that names its kind.</summary>
public readonly record struct Patch(string ContentType, ReadOnlyMemory<byte> Body)
{
    public static Patch Merge(ReadOnlyMemory<byte> body) => new("application/merge-patch+json", body);

    public static Patch StrategicMerge(ReadOnlyMemory<byte> body) => new("application/strategic-merge-patch+json", body);

    public static Patch Json(ReadOnlyMemory<byte> body) => new("application/json-patch+json", body);
}

/// <summary>Kind of a watch event.</summary>
public enum WatchEventType
{
    Added,
    Modified,
    Deleted,

    /// <summary>Only the resourceVersion of the object means something.</summary>
    Bookmark,
}

/// <summary>One event of a watch.</summary>
public readonly record struct WatchEvent<T>(WatchEventType Type, T Object);
