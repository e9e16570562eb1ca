using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Client.Configuration;
using Trireme.Client.Transport;

namespace Trireme.Client;

/// <inheritdoc cref="IApiClient"/>
public sealed class ApiClient : IApiClient, IDisposable
{
    private readonly ApiTransport _transport;
    private readonly Func<LeaseTerm?>? _term;
    private readonly bool _confirmed;

    private ApiClient(ApiTransport transport, Func<LeaseTerm?>? term = null, bool confirmed = false)
    {
        _transport = transport;
        _term = term;
        _confirmed = confirmed;
    }

    /// <summary>A client for the servers and the identity of <paramref name="options"/>; connects on first use.</summary>
    /// <param name="options">For example <see cref="Kubeconfig.ToOptions"/>.</param>
    /// <param name="loggerFactory">Failovers are logged at debug level.</param>
    /// <param name="timeProvider">Timeouts and pauses.</param>
    /// <param name="userAgent"><c>trireme-COMPONENT/VERSION</c>.</param>
    /// <exception cref="IOException">A credential file cannot be read.</exception>
    public static ApiClient Create(ApiClientOptions options, ILoggerFactory loggerFactory, TimeProvider timeProvider, string userAgent) =>
        new(new ApiTransport(options, loggerFactory.CreateLogger<ApiClient>(), timeProvider, userAgent));

    /// <inheritdoc cref="Create(ApiClientOptions, ILoggerFactory, TimeProvider, string)"/>
    public static ApiClient Create(Kubeconfig kubeconfig, ILoggerFactory loggerFactory, TimeProvider timeProvider, string userAgent)
    {
        ArgumentNullException.ThrowIfNull(kubeconfig);
        return Create(kubeconfig.ToOptions(), loggerFactory, timeProvider, userAgent);
    }

    public Task<T> GetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        ExchangeAsync<T>(Get(T.Resource.Path(@namespace, name)), cancellationToken);

    public async Task<T?> FindAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var (code, body, _) = await _transport.ExchangeAsync(Get(T.Resource.Path(@namespace, name)), cancellationToken);
        using (body)
        {
            // A missing route (the kind is not served) has no Status with reason NotFound for the object, but means the same to the caller.
            return code == HttpStatusCode.NotFound ? null : Read<T>(code, body);
        }
    }

    public async Task<KubernetesList<T>> ListAsync<T>(string? @namespace, ListOptions? options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var path = T.Resource.Path(@namespace) + ApiQuery.Of(options, watch: false);
        var (code, body, _) = await _transport.ExchangeAsync(Get(path), cancellationToken);
        using (body)
        {
            ThrowIfFailed(code, body.Span);
            return LenientReader.ReadList<T>(body.Span, options?.OnUnreadable);
        }
    }

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(string? @namespace, ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var path = T.Resource.Path(@namespace) + ApiQuery.Of(options, watch: true);
        using var response = await _transport.OpenAsync(Get(path), cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            using var body = await PooledBody.ReadAsync(response.Content, cancellationToken);
            ThrowIfFailed(response.StatusCode, body.Span);
        }

        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var watch = new WatchStream<T>(stream, options.OnUnreadable);
        while (await watch.NextAsync(cancellationToken) is { } next)
        {
            yield return next;
        }
    }

    public async Task<T> CreateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        ArgumentNullException.ThrowIfNull(obj);
        var path = T.Resource.Path(obj.Metadata.Namespace);
        var sent = ModelJson.ToUtf8(obj);
        // Without a name of its own a second try could create a second object.
        var named = !string.IsNullOrEmpty(obj.Metadata.Name);
        var (code, body, ambiguous) = await _transport.ExchangeAsync(
            InTerm(new ApiRequest(HttpMethod.Post, path, sent, "application/json", Replayable: named)), cancellationToken);
        using (body)
        {
            if (code == HttpStatusCode.Conflict && ambiguous)
            {
                // Was it our own first try that got there? Then what is there holds everything that we sent.
                var existing = await FindAsync<T>(obj.Metadata.Namespace, obj.Metadata.Name!, cancellationToken);
                if (existing is not null && JsonSubset.Contains(ModelJson.ToUtf8(existing), sent))
                {
                    return existing;
                }
            }

            return Read<T>(code, body);
        }
    }

    public Task<T> UpdateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> => PutAsync(obj, null, cancellationToken);

    public Task<T> UpdateStatusAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> => PutAsync(obj, "status", cancellationToken);

    public Task<T> PatchAsync<T>(string? @namespace, string name, Patch patch, string? subresource, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        // Merge patches say what shall hold, so that saying it twice is harmless; a JSON patch may append to a list.
        var replayable = patch.ContentType != "application/json-patch+json";
        return ExchangeAsync<T>(new ApiRequest(HttpMethod.Patch, T.Resource.Path(@namespace, name, subresource), patch.Body, patch.ContentType, replayable), cancellationToken);
    }

    public async Task DeleteAsync<T>(string? @namespace, string name, DeleteRequest? options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var request = new ApiRequest(HttpMethod.Delete, T.Resource.Path(@namespace, name), options?.ToUtf8(), "application/json", Replayable: true);
        var (code, body, _) = await _transport.ExchangeAsync(InTerm(request), cancellationToken);
        using (body)
        {
            if (code != HttpStatusCode.NotFound)
            {
                ThrowIfFailed(code, body.Span);
            }
        }
    }

    public Task<TResult> CreateSubresourceAsync<TBody, TResult>(
        ResourceInfo resource, string? @namespace, string name, string subresource, TBody body, CancellationToken cancellationToken)
        where TBody : class, IModel<TBody>
        where TResult : class, IModel<TResult>
    {
        ArgumentNullException.ThrowIfNull(resource);
        return ExchangeAsync<TResult>(
            new ApiRequest(HttpMethod.Post, resource.Path(@namespace, name, subresource), ModelJson.ToUtf8(body), "application/json", Replayable: false), cancellationToken);
    }

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string pathAndQuery, ReadOnlyMemory<byte>? body, string? contentType, CancellationToken cancellationToken)
    {
        var replayable = method == HttpMethod.Get || method == HttpMethod.Head || method == HttpMethod.Put || method == HttpMethod.Delete;
        var request = new ApiRequest(method, pathAndQuery, body, contentType, replayable) { Confirmed = _confirmed && method == HttpMethod.Get };
        return _transport.OpenAsync(InTerm(request), cancellationToken);
    }

    public IApiClient InTerm(Func<LeaseTerm?> term)
    {
        ArgumentNullException.ThrowIfNull(term);
        return new ApiClient(_transport, term, _confirmed);
    }

    public IApiClient Confirmed() => new ApiClient(_transport, _term, confirmed: true);

    public IApiClient Impatient(TimeSpan attemptTimeout) => new ApiClient(_transport.Impatient(attemptTimeout), _term, _confirmed);

    public void Dispose() => _transport.Dispose();

    private ApiRequest InTerm(ApiRequest request) =>
        request.Method == HttpMethod.Get || _term?.Invoke() is not { } term ? request : request with { Term = term.ToString() };

    private ApiRequest Get(string path) => new(HttpMethod.Get, path, null, null, Replayable: true) { Confirmed = _confirmed };

    private Task<T> PutAsync<T>(T obj, string? subresource, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var path = T.Resource.Path(obj.Metadata.Namespace, obj.Metadata.Name, subresource);
        return ExchangeAsync<T>(new ApiRequest(HttpMethod.Put, path, ModelJson.ToUtf8(obj), "application/json", Replayable: true), cancellationToken);
    }

    private async Task<T> ExchangeAsync<T>(ApiRequest request, CancellationToken cancellationToken)
        where T : class, IModel<T>
    {
        var (code, body, _) = await _transport.ExchangeAsync(InTerm(request), cancellationToken);
        using (body)
        {
            return Read<T>(code, body);
        }
    }

    private static T Read<T>(HttpStatusCode code, PooledBody body)
        where T : class, IModel<T>
    {
        ThrowIfFailed(code, body.Span);
        return ModelJson.Read<T>(body.Span);
    }

    private static void ThrowIfFailed(HttpStatusCode code, ReadOnlySpan<byte> body)
    {
        if ((int)code is < 200 or >= 300)
        {
            throw ApiException.From(code, body);
        }
    }
}
