using Trireme.Api.Models.Rbac.V1;

namespace Trireme.ApiServer.Authz;

/// <summary>Whether an RBAC rule covers a request.</summary>
public static class PolicyRuleMatcher
{
    private const string All = "*";

    public static bool Matches(PolicyRule rule, AuthorizationAttributes attributes) => attributes.IsResourceRequest
        ? Has(rule.Verbs, attributes.Verb) && Has(rule.ApiGroups, attributes.Group) && MatchesResource(rule.Resources, attributes) && MatchesName(rule.ResourceNames, attributes.Name)
        : Has(rule.Verbs, attributes.Verb) && MatchesPath(rule.NonResourceURLs, attributes.Path);

    /// <summary><c>*</c>, <c>pods</c>, <c>pods/log</c> or <c>*/scale</c>.</summary>
    private static bool MatchesResource(List<string>? resources, AuthorizationAttributes attributes)
    {
        if (resources is null)
        {
            return false;
        }

        foreach (var resource in resources)
        {
            if (resource == All)
            {
                return true;
            }

            var slash = resource.IndexOf('/', StringComparison.Ordinal);
            if (slash < 0 ? attributes.Subresource.Length == 0 && resource == attributes.Resource : MatchesSubresource(resource, slash, attributes))
            {
                return true;
            }
        }

        return false;
    }

    private static bool MatchesSubresource(string resource, int slash, AuthorizationAttributes attributes) =>
        attributes.Subresource.Length > 0
        && resource.AsSpan(slash + 1).SequenceEqual(attributes.Subresource)
        && (resource.AsSpan(0, slash) is All || resource.AsSpan(0, slash).SequenceEqual(attributes.Resource));

    private static bool MatchesName(List<string>? names, string name) => names is not { Count: > 0 } || names.Contains(name);

    /// <summary><c>*</c>, an exact path, or a path that ends in <c>*</c>.</summary>
    private static bool MatchesPath(List<string>? paths, string path)
    {
        if (paths is null)
        {
            return false;
        }

        foreach (var pattern in paths)
        {
            if (pattern == All || pattern == path || (pattern.EndsWith('*') && path.AsSpan().StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }

    private static bool Has(List<string>? values, string wanted) => values is not null && (values.Contains(wanted) || values.Contains(All));
}
