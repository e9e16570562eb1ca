using Trireme.Api.Models.Rbac.V1;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>Role-based access control over the roles and bindings that the caches hold.</summary>
public sealed class RbacAuthorizer(RbacIndex index) : IAuthorizer
{
    public Authorization Authorize(AuthorizationAttributes attributes)
    {
        List<string>? missing = null;
        foreach (var binding in index.BindingsOf(attributes.User, attributes.Namespace))
        {
            if (index.RulesOf(binding) is not { } rules)
            {
                (missing ??= []).Add(Missing(binding));
                continue;
            }

            foreach (var rule in rules)
            {
                if (PolicyRuleMatcher.Matches(rule, attributes))
                {
                    return new Authorization(AuthorizationDecision.Allow, $"RBAC: allowed by {binding}");
                }
            }
        }

        return Authorization.NoOpinion(missing is null ? "" : "RBAC: " + string.Join(", ", missing.Distinct()));
    }

    public UserRules RulesFor(UserInfo user, string @namespace)
    {
        var rules = new List<PolicyRule>();
        var errors = new List<string>();
        foreach (var binding in index.BindingsOf(user, @namespace))
        {
            if (index.RulesOf(binding) is { } found)
            {
                rules.AddRange(found);
            }
            else
            {
                errors.Add(Missing(binding));
            }
        }

        return new UserRules(rules, [.. errors.Distinct()]);
    }

    private static string Missing(RbacBinding binding) =>
        $"{binding.RoleKind.ToLowerInvariant()}.rbac.authorization.k8s.io \"{binding.RoleName}\" not found";
}
