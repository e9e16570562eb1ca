using Trireme.Api.Models.Flowcontrol.V1;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.FlowControl;

/// <summary>Whether a flow schema is about a request.</summary>
internal static class FlowSchemaMatcher
{
    private const string All = "*";

    public static bool Matches(FlowSchema schema, RequestInfo info, UserInfo user)
    {
        foreach (var rule in schema.Spec?.Rules ?? [])
        {
            if (Matches(rule.Subjects, user) && (info.IsResourceRequest ? MatchesResource(rule, info) : MatchesPath(rule, info)))
            {
                return true;
            }
        }

        return false;
    }

    private static bool Matches(List<Subject>? subjects, UserInfo user)
    {
        foreach (var subject in subjects ?? [])
        {
            var matches = subject.Kind switch
            {
                "User" => subject.User?.Name is All || subject.User?.Name == user.Name,
                "Group" => subject.Group?.Name is All || user.IsIn(subject.Group?.Name ?? ""),
                "ServiceAccount" => ServiceAccountName.TryParse(user.Name, out var account)
                    && account.Namespace == subject.ServiceAccount?.Namespace
                    && (subject.ServiceAccount?.Name is All || subject.ServiceAccount?.Name == account.Name),
                _ => false,
            };
            if (matches)
            {
                return true;
            }
        }

        return false;
    }

    private static bool MatchesResource(PolicyRulesWithSubjects rules, RequestInfo info)
    {
        foreach (var rule in rules.ResourceRules ?? [])
        {
            if (Has(rule.Verbs, info.Verb) && Has(rule.ApiGroups, info.Group)
                && Has(rule.Resources, info.Subresource.Length == 0 ? info.Resource : $"{info.Resource}/{info.Subresource}")
                && (info.Namespace.Length == 0 ? rule.ClusterScope : Has(rule.Namespaces, info.Namespace)))
            {
                return true;
            }
        }

        return false;
    }

    private static bool MatchesPath(PolicyRulesWithSubjects rules, RequestInfo info)
    {
        foreach (var rule in rules.NonResourceRules ?? [])
        {
            if (Has(rule.Verbs, info.Verb) && (rule.NonResourceURLs ?? []).Exists(p =>
                p == All || p == info.Path || (p.EndsWith("/*", StringComparison.Ordinal) && info.Path.AsSpan().StartsWith(p.AsSpan(0, p.Length - 1), StringComparison.Ordinal))))
            {
                return true;
            }
        }

        return false;
    }

    private static bool Has(List<string>? values, string wanted) => values is not null && (values.Contains(wanted) || values.Contains(All));
}
