using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>Requests that do more than their verb says need the right to that too.</summary>
internal static class AdditionalRights
{
    /// <summary>Asks whether the user may make the request that <paramref name="info"/> amounts to.</summary>
    /// <exception cref="ApiStatusException">403: no.</exception>
    public static void Demand(IAuthorizer authorizer, RequestInfo info, UserInfo user)
    {
        var attributes = AuthorizationAttributes.Of(info, user);
        var answer = authorizer.Authorize(attributes);
        if (!answer.IsAllowed)
        {
            throw ForbiddenStatus.Create(attributes, answer.Reason);
        }
    }
}
