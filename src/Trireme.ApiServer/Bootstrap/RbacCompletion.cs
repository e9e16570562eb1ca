using Trireme.Api.Models;
using Trireme.Api.Models.Rbac.V1;
using Trireme.ApiServer.Authz;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>
/// Adds to bootstrap roles and bindings what a newer program gives them and an administrator took away by accident; never takes anything away.
/// Annotation <c>rbac.authorization.kubernetes.io/autoupdate: "false"</c> keeps an object as it is.
/// </summary>
internal static class RbacCompletion
{
    private const string AutoUpdate = "rbac.authorization.kubernetes.io/autoupdate";

    public static bool Complete(ClusterRole existing, ClusterRole wanted)
    {
        // Rules of an aggregating role belong to the aggregation.
        if (IsFrozen(existing) || wanted.AggregationRule is not null)
        {
            return false;
        }

        existing.Rules ??= [];
        return AddMissing(existing.Rules, wanted.Rules);
    }

    public static bool Complete(Role existing, Role wanted)
    {
        existing.Rules ??= [];
        return !IsFrozen(existing) && AddMissing(existing.Rules, wanted.Rules);
    }

    public static bool Complete(ClusterRoleBinding existing, ClusterRoleBinding wanted)
    {
        existing.Subjects ??= [];
        return !IsFrozen(existing) && AddMissing(existing.Subjects, wanted.Subjects, "");
    }

    public static bool Complete(RoleBinding existing, RoleBinding wanted)
    {
        existing.Subjects ??= [];
        return !IsFrozen(existing) && AddMissing(existing.Subjects, wanted.Subjects, existing.Metadata.Namespace ?? "");
    }

    private static bool IsFrozen(IKubernetesObject obj) => obj.Metadata.Annotations?.GetValueOrDefault(AutoUpdate) == "false";

    private static bool AddMissing(List<PolicyRule> rules, List<PolicyRule>? wanted)
    {
        var missing = (wanted ?? []).Where(w => !rules.Exists(r => Covers(r, w))).ToList();
        rules.AddRange(missing);
        return missing.Count > 0;
    }

    private static bool AddMissing(List<Subject> subjects, List<Subject>? wanted, string @namespace)
    {
        var missing = (wanted ?? []).Where(w => !subjects.Exists(s => SubjectKey.Of(s, @namespace) == SubjectKey.Of(w, @namespace))).ToList();
        subjects.AddRange(missing);
        return missing.Count > 0;
    }

    /// <summary>Whether one rule alone allows all that another does; a rule that needs several to be covered is added, which does no harm.</summary>
    private static bool Covers(PolicyRule rule, PolicyRule wanted) =>
        All(rule.Verbs, wanted.Verbs) && All(rule.ApiGroups, wanted.ApiGroups) && All(rule.Resources, wanted.Resources) && All(rule.NonResourceURLs, wanted.NonResourceURLs)
        && (rule.ResourceNames is not { Count: > 0 } || (wanted.ResourceNames is { Count: > 0 } && All(rule.ResourceNames, wanted.ResourceNames)));

    private static bool All(List<string>? values, List<string>? wanted) =>
        (wanted ?? []).TrueForAll(w => values is not null && (values.Contains(w) || values.Contains("*")));
}
