using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>Asks whether the user may make the request.</summary>
internal sealed class AuthorizationStage(IAuthorizer authorizer, Func<bool> isReady, RequestHandler next)
{
    public Task InvokeAsync(HttpContext http, RequestContext context)
    {
        var attributes = AuthorizationAttributes.Of(context.Info, context.User);
        var answer = authorizer.Authorize(attributes);
        if (answer.IsAllowed)
        {
            context.AuthorizationReason = answer.Reason;
            return next(http, context);
        }

        if (!isReady())
        {
            // A server that has not read the roles yet must not claim that there is none: 403 makes clients give up, 503 makes them try again.
            throw new ApiStatusException(ApiStatus.ServiceUnavailable("The server has not read its authorization rules yet"));
        }

        throw ForbiddenStatus.Create(attributes, answer.Reason);
    }
}
