using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Rbac.V1;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission;

/// <summary>
/// Nobody grants more than they have: roles and bindings are refused whose rules the user does not hold, unless the user may
/// <c>escalate</c> or <c>bind</c> them.
/// </summary>
/// <remarks>https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping</remarks>
internal sealed class RbacEscalation(ResourceLookup lookup) : IAdmissionPlugin
{
    private const string Group = "rbac.authorization.k8s.io";

    /// <inheritdoc/>
    public string Name => "RBACEscalation";

    /// <inheritdoc/>
    public async ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Resource.Group != Group || request.Operation == AdmissionOperation.Delete || request.Object is not { } obj
            || request.User.IsIn(UserInfo.SystemMasters) || request.Authorizer is not { } authorizer)
        {
            return;
        }

        var plural = request.Resource.Plural;
        var @namespace = request.Namespace ?? "";
        if (plural is "roles" or "clusterroles")
        {
            // A change that adds no rule escalates nothing.
            if (Api.Documents.ApiNode.DeepEquals(obj["rules"], request.OldObject?["rules"])
                && Api.Documents.ApiNode.DeepEquals(obj["aggregationRule"], request.OldObject?["aggregationRule"]))
            {
                return;
            }

            List<PolicyRule> rules = obj["aggregationRule"] is null ? ReadRules(obj) : [Everything()];
            Demand(request, authorizer, "escalate", plural, request.Name, rules, @namespace);
            return;
        }

        if (Api.Documents.ApiNode.DeepEquals(obj["subjects"], request.OldObject?["subjects"]) && request.OldObject is not null)
        {
            return;
        }

        var isCluster = obj["roleRef"]?["kind"]?.AsString() == "ClusterRole";
        var name = obj["roleRef"]?["name"]?.AsString() ?? "";
        var role = await lookup.FindAsync(Group, isCluster ? "clusterroles" : "roles", isCluster ? null : @namespace, name, cancellationToken);
        if (role is null)
        {
            // Nothing is known of the rules to come: only an explicit right to bind helps.
            Demand(request, authorizer, "bind", isCluster ? "clusterroles" : "roles", name, [Everything()], @namespace);
            return;
        }

        Demand(request, authorizer, "bind", isCluster ? "clusterroles" : "roles", name, ReadRules(role), @namespace);
    }

    private static void Demand(
        AdmissionRequest request, IAuthorizer authorizer, string verb, string resource, string name, List<PolicyRule> rules, string @namespace)
    {
        var allowed = authorizer.Authorize(new AuthorizationAttributes
        {
            User = request.User,
            Verb = verb,
            IsResourceRequest = true,
            Group = Group,
            Version = "*",
            Resource = resource,
            Namespace = @namespace,
            Name = name,
        });
        if (allowed.IsAllowed)
        {
            return;
        }

        var held = authorizer.RulesFor(request.User, @namespace).Rules;
        foreach (var rule in rules)
        {
            if (!IsCovered(rule, held))
            {
                throw new ApiStatusException(ApiStatus.Forbidden(
                    request.Resource.GroupResource,
                    request.Name,
                    $"user \"{request.User.Name}\" (groups={Quote(request.User.Groups)}) is attempting to grant RBAC permissions not currently held:\n{Describe(rule)}"));
            }
        }
    }

    /// <summary>Whether each single right of a rule is held.</summary>
    private static bool IsCovered(PolicyRule rule, IReadOnlyList<PolicyRule> held)
    {
        foreach (var verb in rule.Verbs ?? [])
        {
            foreach (var path in rule.NonResourceURLs ?? [])
            {
                if (!held.Any(h => Has(h.Verbs, verb) && HasPath(h.NonResourceURLs, path)))
                {
                    return false;
                }
            }

            foreach (var group in rule.ApiGroups ?? [])
            {
                foreach (var resource in rule.Resources ?? [])
                {
                    List<string?> names = rule.ResourceNames is { Count: > 0 } some ? [.. some] : [null];
                    if (!names.TrueForAll(n => held.Any(h => Has(h.Verbs, verb) && Has(h.ApiGroups, group) && HasResource(h.Resources, resource) && HasName(h, n))))
                    {
                        return false;
                    }
                }
            }
        }

        return true;
    }

    private static bool Has(List<string>? values, string wanted) => values is not null && (values.Contains("*") || values.Contains(wanted));

    private static bool HasResource(List<string>? values, string wanted)
    {
        if (Has(values, wanted))
        {
            return true;
        }

        var slash = wanted.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && values?.Contains("*" + wanted[slash..]) == true;
    }

    private static bool HasName(PolicyRule held, string? name) =>
        held.ResourceNames is not { Count: > 0 } || (name is not null && held.ResourceNames.Contains(name));

    private static bool HasPath(List<string>? values, string wanted) =>
        values is not null && values.Exists(v => v == "*" || v == wanted || (v.EndsWith('*') && wanted.StartsWith(v[..^1], StringComparison.Ordinal)));

    private static PolicyRule Everything() => new() { Verbs = ["*"], ApiGroups = ["*"], Resources = ["*"] };

    private static List<PolicyRule> ReadRules(Api.Documents.ApiDocument role) =>
        [.. (role["rules"]?.AsArray()?.Objects ?? []).Select(r => ModelJson.Read<PolicyRule>(r.ToUtf8()))];

    private static string Describe(PolicyRule rule)
    {
        var parts = new List<string>();
        Add("APIGroups", rule.ApiGroups);
        Add("Resources", rule.Resources);
        Add("ResourceNames", rule.ResourceNames);
        Add("NonResourceURLs", rule.NonResourceURLs);
        Add("Verbs", rule.Verbs);
        return $"{{{string.Join(", ", parts)}}}";

        void Add(string name, List<string>? values)
        {
            if (values is { Count: > 0 })
            {
                parts.Add($"{name}:{Quote(values)}");
            }
        }
    }

    private static string Quote(IEnumerable<string> values) => $"[{string.Join(" ", values.Select(v => $"\"{v}\""))}]";
}
