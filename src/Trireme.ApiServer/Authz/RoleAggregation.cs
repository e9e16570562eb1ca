using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Models.Rbac.V1;

namespace Trireme.ApiServer.Authz;

/// <summary>Rules of a ClusterRole that is the union of others, chosen by label.</summary>
public static class RoleAggregation
{
    /// <summary>The union, over roles in name order; roles that aggregate themselves are followed, each once.</summary>
    public static IReadOnlyList<PolicyRule> RulesOf(ClusterRole role, IEnumerable<ClusterRole> roles)
    {
        var all = roles.OrderBy(r => r.Metadata.Name, StringComparer.Ordinal).ToList();
        var rules = new List<PolicyRule>();
        Collect(role, all, [], rules);
        return rules;
    }

    private static void Collect(ClusterRole role, List<ClusterRole> all, HashSet<string> seen, List<PolicyRule> rules)
    {
        if (!seen.Add(role.Metadata.Name ?? ""))
        {
            return;
        }

        if (role.AggregationRule?.ClusterRoleSelectors is not { } selectors)
        {
            foreach (var rule in role.Rules ?? [])
            {
                if (!rules.Exists(r => Api.Models.ModelJson.JsonEquals(r, rule)))
                {
                    rules.Add(rule);
                }
            }

            return;
        }

        foreach (var other in all)
        {
            if (selectors.Exists(s => Selects(s, other.Metadata.Labels)))
            {
                Collect(other, all, seen, rules);
            }
        }
    }

    private static bool Selects(LabelSelector selector, Dictionary<string, string>? labels)
    {
        string? Value(string key) => labels?.GetValueOrDefault(key);
        return (selector.MatchLabels ?? []).All(l => Value(l.Key) == l.Value)
            && (selector.MatchExpressions ?? []).TrueForAll(e => e.Operator switch
            {
                "In" => Value(e.Key ?? "") is { } value && (e.Values ?? []).Contains(value),
                "NotIn" => Value(e.Key ?? "") is not { } value || !(e.Values ?? []).Contains(value),
                "Exists" => Value(e.Key ?? "") is not null,
                "DoesNotExist" => Value(e.Key ?? "") is null,
                _ => false,
            });
    }
}
