using Trireme.Api.Models.Meta.V1;
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
            return ApiStatusException.Create(403, "Forbidden", $"forbidden: {message}", new StatusDetails());
        }

        var resource = attributes.Group.Length == 0 ? attributes.Resource : $"{attributes.Resource}.{attributes.Group}";
        var subject = attributes.Name.Length == 0 ? $"{resource} is forbidden" : $"{resource} \"{attributes.Name}\" is forbidden";
        return ApiStatusException.Create(403, "Forbidden", $"{subject}: {message}", new StatusDetails
        {
            Name = attributes.Name.Length == 0 ? null : attributes.Name,
            Group = attributes.Group.Length == 0 ? null : attributes.Group,
            Kind = attributes.Resource,
        });
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
