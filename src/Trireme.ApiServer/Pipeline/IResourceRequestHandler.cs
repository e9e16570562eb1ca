using Microsoft.AspNetCore.Http;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Serves requests for resources; the last stage of the pipeline.</summary>
/// <remarks>
/// Called for every authorized resource request but those that the server answers otherwise: connect subresources
/// (<c>pods/{log,exec,attach,portforward,proxy}</c>, <c>nodes/proxy</c>, <c>services/proxy</c>), <c>serviceaccounts/token</c>, and the reviews of
/// <c>authentication.k8s.io</c> and <c>authorization.k8s.io</c>. A resource that nobody serves is answered here, with NotFound.
/// <para>
/// Errors: throw <see cref="ApiStatusException"/> before the answer has begun and the pipeline writes it as a Status object. A
/// <see cref="Storage.StoreUnavailableException"/> becomes 503 ServiceUnavailable or, for a write that may have been applied, 504 Timeout;
/// <see cref="OperationCanceledException"/> of the request's own token ends it silently; anything else is logged once and becomes 500 InternalError.
/// </para>
/// A watch ends its answer cleanly when <see cref="RequestContext.Draining"/> is cancelled and calls
/// <see cref="RequestContext.ReleaseSlot"/> once its initial events are sent. The handler must also work on a context without connection:
/// the server calls it in process for its own objects (<see cref="Loopback"/>).
/// </remarks>
public interface IResourceRequestHandler
{
    /// <summary>Answers one request.</summary>
    Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user);
}
