using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Trireme.Api;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authn;

/// <summary>
/// Finds out who asks: by client certificate, then by token. Credentials that are no good are refused with 401, never taken for anonymous.
/// </summary>
internal sealed class AuthenticationStage(IReadOnlyList<IAuthenticator> authenticators, bool allowAnonymous, ILogger<AuthenticationStage> log, RequestHandler next)
{
    public async Task InvokeAsync(HttpContext http, RequestContext context)
    {
        string? failure = null;
        foreach (var authenticator in authenticators)
        {
            var result = await authenticator.AuthenticateAsync(http, http.RequestAborted);
            if (result.User is { } user)
            {
                context.User = user;

                // The token has done its work: nothing behind this stage (a proxied kubelet, a log) may see it.
                http.Request.Headers.Authorization = default;
                await next(http, context);
                return;
            }

            failure ??= result.Failure;
        }

        if (failure is null && allowAnonymous)
        {
            await next(http, context);
            return;
        }

        if (failure is not null)
        {
            log.LogWarning("Unable to authenticate the request from {Address}: {Failure}", http.Connection.RemoteIpAddress, failure);
        }

        throw new ApiStatusException(ApiStatus.Unauthorized());
    }
}
