using Trireme.Api;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>The 403 answer, in the words that users of Kubernetes search for.</summary>
public static class ForbiddenStatus
{
    /// <summary>A refusal of <paramref name="attributes"/>.</summary>
    public static ApiStatusException Create(AuthorizationAttributes attributes, string reason)
    {
        var message = Describe(attributes);
        if (reason.Length > 0)
        {
            message = $"{message}: {reason}";
        }

        if (!attributes.IsResourceRequest)
        {
            return new ApiStatusException(ApiStatus.ForbiddenPath(message));
        }

        return new ApiStatusException(ApiStatus.Forbidden(new GroupResource(attributes.Group, attributes.Resource), attributes.Name, message));
    }

    private static string Describe(AuthorizationAttributes attributes)
    {
        var user = $"User \"{attributes.User.Name}\" cannot {attributes.Verb}";
        if (!attributes.IsResourceRequest)
        {
            return $"{user} path \"{attributes.Path}\"";
        }

        var resource = attributes.Subresource.Length == 0 ? attributes.Resource : $"{attributes.Resource}/{attributes.Subresource}";
        var scope = attributes.Namespace.Length == 0 ? "at the cluster scope" : $"in the namespace \"{attributes.Namespace}\"";
        return $"{user} resource \"{resource}\" in API group \"{attributes.Group}\" {scope}";
    }
}
