using Microsoft.AspNetCore.Http;
using Trireme.ApiServer.Authz;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// What the stages of the pipeline found out about one request: a feature of its <see cref="HttpContext"/>, filled in pipeline order.
/// </summary>
public sealed class RequestContext
{
    /// <summary>Set by the first stage; never null behind it.</summary>
    public required RequestInfo Info { get; init; }

    /// <summary>Who asks; anonymous until authentication has run, the impersonated user behind impersonation.</summary>
    public UserInfo User { get; set; } = UserInfo.AnonymousUser;

    /// <summary>Who really asks, when the request impersonates another user.</summary>
    public UserInfo? Impersonator { get; set; }

    /// <summary>The authorizer, for handlers and admission that must ask about more than the request itself (escalate, bind, signers).</summary>
    public required IAuthorizer Authorizer { get; init; }

    /// <summary>Cancelled when the server starts to shut down: watches and other long requests end cleanly then, so that clients move on.</summary>
    public required CancellationToken Draining { get; init; }

    /// <summary>Identifies the request in the audit log and in answers (<c>Audit-Id</c>).</summary>
    public required string AuditId { get; init; }

    /// <summary>Why the request was allowed, for the audit log.</summary>
    public string? AuthorizationReason { get; set; }

    /// <summary>Gives the request's slot in its priority level back; a watch calls it once its initial events are sent.</summary>
    /// <remarks>May be called more than once. The pipeline calls it at the end of every request.</remarks>
    public Action ReleaseSlot { get; set; } = static () => { };

    /// <summary>The context of a request that is in the pipeline.</summary>
    /// <exception cref="InvalidOperationException">The request did not come through the pipeline.</exception>
    public static RequestContext Of(HttpContext http) =>
        http.Features.Get<RequestContext>() ?? throw new InvalidOperationException("The request did not come through the pipeline");
}
