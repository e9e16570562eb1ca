using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Logging;
using Trireme.Api;
using Trireme.Client.Configuration;

namespace Trireme.Client.Transport;

/// <summary>A request as it goes to whichever server answers.</summary>
/// <param name="Method">HTTP method.</param>
/// <param name="PathAndQuery">Path from the server's base address on.</param>
/// <param name="Body">Body, or null.</param>
/// <param name="ContentType">Media type of the body.</param>
/// <param name="Replayable">Whether it may be sent again when it is not known if it was carried out.</param>
internal readonly record struct ApiRequest(HttpMethod Method, string PathAndQuery, ReadOnlyMemory<byte>? Body, string? ContentType, bool Replayable)
{
    /// <summary>The term of leadership in which it is made; null for one that is not elected.</summary>
    public string? Term { get; init; }

    /// <summary>Whether an answer of which the store did not confirm that it is the newest state is none.</summary>
    public bool Confirmed { get; init; }
}

/// <summary>Sends requests to the server in use and fails over to the next.</summary>
/// <remarks>
/// 1. The server that answered last gets the request. 2. If no connection comes about, or the request may be replayed and its answer
/// was lost, the next server gets it at once; after a whole round there is a short pause and one more round. 3. 429 and 503 with
/// Retry-After are waited out a few times. 4. A server that answers 503 or 504, as one does that has lost its store, keeps this request but gets no further one
/// while there is another server. 5. What remains is <see cref="ApiUnavailableException"/>.
/// </remarks>
internal sealed class ApiTransport : IDisposable
{
    private const int MaxThrottles = 4;
    private static readonly TimeSpan _maxRetryAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _roundPause = TimeSpan.FromMilliseconds(100);

    private readonly EndpointSet _endpoints;
    private readonly ConnectionPool _connections;
    private readonly TimeProvider _time;
    private readonly ApiClientOptions _options;
    private readonly ILogger _logger;
    private readonly TimeSpan? _attemptTimeout;
    private readonly string _userAgent;

    private readonly Lock _lock = new();

    // Guarded by _lock. They live as long as this one.
    private readonly List<ApiTransport> _impatient = [];

    /// <param name="options">Servers and credentials.</param>
    /// <param name="logger">Failovers are logged at debug level.</param>
    /// <param name="time">Timeouts and pauses.</param>
    /// <param name="userAgent">What the servers are told.</param>
    /// <param name="attemptTimeout">How long one server may take; null for as long as the request has.</param>
    public ApiTransport(ApiClientOptions options, ILogger logger, TimeProvider time, string userAgent, TimeSpan? attemptTimeout = null)
    {
        _endpoints = new EndpointSet(options.Servers);
        _connections = new ConnectionPool(options, time, logger);
        _time = time;
        _logger = logger;
        _options = options;
        _attemptTimeout = attemptTimeout;
        _userAgent = userAgent;
    }

    /// <summary>Sends and reads the whole answer.</summary>
    /// <returns>The answer, and whether an earlier try may have been carried out too.</returns>
    public async Task<(HttpStatusCode Code, PooledBody Body, bool Ambiguous)> ExchangeAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_options.RequestTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        return await SendAsync(request, static async (response, token) => (response.StatusCode, await PooledBody.ReadAsync(response.Content, token)), linked.Token, cancellationToken);
    }

    /// <summary>Sends and returns as soon as the headers are there; the body is the caller's to read, without limit of time.</summary>
    public async Task<HttpResponseMessage> OpenAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_options.RequestTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        var (_, response, _) = await SendAsync<HttpResponseMessage>(request, null, linked.Token, cancellationToken);
        return response;
    }

    /// <summary>Another one to the same servers; see <see cref="IApiClient.Impatient"/>.</summary>
    public ApiTransport Impatient(TimeSpan attemptTimeout)
    {
        var impatient = new ApiTransport(_options, _logger, _time, _userAgent, attemptTimeout);
        lock (_lock)
        {
            _impatient.Add(impatient);
        }

        return impatient;
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _impatient.ForEach(i => i.Dispose());
        }

        _connections.Dispose();
    }

    private async Task<(HttpStatusCode Code, T Result, bool Ambiguous)> SendAsync<T>(
        ApiRequest request,
        Func<HttpResponseMessage, CancellationToken, Task<(HttpStatusCode, T)>>? read,
        CancellationToken requestToken,
        CancellationToken callerToken)
        where T : class
    {
        var maxAttempts = Math.Max(2 * _endpoints.Count, 3);
        var throttles = 0;
        var ambiguous = false;
        for (var attempt = 1; ; attempt++)
        {
            var endpoint = _endpoints.Current;
            HttpResponseMessage? response = null;
            var keep = false;
            var (invoker, authorization) = _connections.Get();
            using var patience = _attemptTimeout is { } limit ? new CancellationTokenSource(limit, _time) : null;
            using var either = CancellationTokenSource.CreateLinkedTokenSource(requestToken, patience?.Token ?? CancellationToken.None);
            try
            {
                using var message = Message(endpoint, request, authorization);
                response = await invoker.SendAsync(message, either.Token);
                if (throttles < MaxThrottles && RetryAfter(response) is { } wait)
                {
                    throttles++;
                    attempt--;
                    await Task.Delay(wait, _time, requestToken);
                    continue;
                }

                if (response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout)
                {
                    _endpoints.ReportFailure(endpoint);
                }

                if (request.Confirmed && IsUnconfirmed(response))
                {
                    _endpoints.ReportFailure(endpoint);
                    if (attempt >= _endpoints.Count)
                    {
                        throw new ApiUnavailableException($"{request.Method} {request.PathAndQuery} at {endpoint.Authority}: {StaleRead.Text}");
                    }

                    continue;
                }

                if (read is null)
                {
                    keep = true;
                    return (response.StatusCode, (T)(object)response, ambiguous);
                }

                var (code, result) = await read(response, either.Token);
                return (code, result, ambiguous);
            }
            catch (Exception e) when (!callerToken.IsCancellationRequested && IsTransportFailure(e))
            {
                _endpoints.ReportFailure(endpoint);
                if (patience?.IsCancellationRequested == true)
                {
                    // The connection may hang, or lead through a balancer to a server that does.
                    _connections.Replace(invoker);
                }

                var unsent = IsConnectFailure(e);
                ambiguous |= !unsent;
                if (attempt >= maxAttempts || requestToken.IsCancellationRequested || !(unsent || request.Replayable))
                {
                    throw new ApiUnavailableException($"{request.Method} {request.PathAndQuery} at {endpoint.Authority}: {Reason(e)}", e);
                }

                _logger.LogDebug(e, "{Method} {Path} failed at {Server}, trying {Next}", request.Method, request.PathAndQuery, endpoint, _endpoints.Current);
            }
            finally
            {
                if (!keep)
                {
                    response?.Dispose();
                }
            }

            if (attempt % _endpoints.Count == 0)
            {
                await PauseAsync(requestToken, callerToken);
            }
        }
    }

    private async Task PauseAsync(CancellationToken requestToken, CancellationToken callerToken)
    {
        try
        {
            await Task.Delay(_roundPause, _time, requestToken);
        }
        catch (OperationCanceledException e) when (!callerToken.IsCancellationRequested)
        {
            throw new ApiUnavailableException("No server answered in time", e);
        }
    }

    private HttpRequestMessage Message(Uri endpoint, ApiRequest request, AuthenticationHeaderValue? authorization)
    {
        var prefix = endpoint.GetLeftPart(UriPartial.Path).TrimEnd('/');
        var message = new HttpRequestMessage(request.Method, prefix + request.PathAndQuery)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        message.Headers.TryAddWithoutValidation("User-Agent", _userAgent);
        message.Headers.TryAddWithoutValidation("Accept", "application/json");
        message.Headers.Authorization = authorization;
        if (request.Term is { } term)
        {
            message.Headers.TryAddWithoutValidation(LeaseTerm.Header, term);
        }

        if (request.Body is { } body)
        {
            message.Content = new ReadOnlyMemoryContent(body);
            message.Content.Headers.TryAddWithoutValidation("Content-Type", request.ContentType ?? "application/json");
        }

        return message;
    }

    private static bool IsUnconfirmed(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("Warning", out var warnings) && warnings.Any(w => w.Contains(StaleRead.Text, StringComparison.Ordinal));

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        if (response.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable)
            || response.Headers.RetryAfter is not { } header)
        {
            return null;
        }

        var wait = header.Delta ?? (header.Date - _time.GetUtcNow()) ?? TimeSpan.Zero;
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait > _maxRetryAfter ? _maxRetryAfter : wait;
    }

    private static bool IsTransportFailure(Exception e) => e is HttpRequestException or IOException or OperationCanceledException;

    /// <summary>Whether no byte of the request can have left: there was no connection.</summary>
    private static bool IsConnectFailure(Exception e) => e switch
    {
        HttpRequestException http => http.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
            or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError or HttpRequestError.VersionNegotiationError,
        OperationCanceledException { InnerException: TimeoutException } => true, // SocketsHttpHandler.ConnectTimeout
        _ => false,
    };

    private static string Reason(Exception e) => e is OperationCanceledException ? "no answer in time" : e.InnerException?.Message ?? e.Message;
}
