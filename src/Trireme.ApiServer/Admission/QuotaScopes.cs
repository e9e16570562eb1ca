using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Registry.Strategies;

namespace Trireme.ApiServer.Admission;

/// <summary>Which pods a quota with scopes is about; about other kinds it is not at all.</summary>
internal static class QuotaScopes
{
    /// <summary>Whether a quota limits this object.</summary>
    public static bool Match(ApiDocument quota, ResourceDefinition definition, ApiDocument obj)
    {
        var scopes = quota.Spec?.GetArray("scopes")?.Strings.ToList() ?? [];
        var expressions = quota.Spec?.GetObject("scopeSelector")?.GetArray("matchExpressions")?.Objects.ToList() ?? [];
        if (scopes.Count == 0 && expressions.Count == 0)
        {
            return true;
        }

        return definition is { Group: "", Plural: "pods" }
            && scopes.TrueForAll(s => Holds(s, obj.Spec))
            && expressions.TrueForAll(e => Holds(e, obj.Spec));
    }

    private static bool Holds(ApiObject expression, ApiObject? spec)
    {
        var scope = expression.GetString("scopeName") ?? "";
        if (scope != "PriorityClass")
        {
            return Holds(scope, spec);
        }

        var priority = spec?.GetString("priorityClassName") ?? "";
        var listed = expression.GetArray("values")?.Strings.Contains(priority) == true;
        return expression.GetString("operator") switch
        {
            "In" => priority.Length > 0 && listed,
            "NotIn" => !listed,
            "Exists" => priority.Length > 0,
            "DoesNotExist" => priority.Length == 0,
            _ => false,
        };
    }

    private static bool Holds(string scope, ApiObject? spec) => scope switch
    {
        "Terminating" => spec?.GetInt64("activeDeadlineSeconds") is >= 0,
        "NotTerminating" => spec?.GetInt64("activeDeadlineSeconds") is not >= 0,
        "BestEffort" => PodQos.ClassOf(spec) == "BestEffort",
        "NotBestEffort" => PodQos.ClassOf(spec) != "BestEffort",
        "PriorityClass" => spec?.GetString("priorityClassName") is { Length: > 0 },
        "CrossNamespacePodAffinity" => Terms(spec?.GetObject("affinity")?.GetObject("podAffinity"))
            .Concat(Terms(spec?.GetObject("affinity")?.GetObject("podAntiAffinity")))
            .Any(t => t.GetArray("namespaces") is { Count: > 0 } || t["namespaceSelector"] is not null),
        _ => false,
    };

    private static IEnumerable<ApiObject> Terms(ApiObject? affinity) =>
        (affinity?.GetArray("requiredDuringSchedulingIgnoredDuringExecution")?.Objects ?? []).Concat(
            affinity?.GetArray("preferredDuringSchedulingIgnoredDuringExecution")?.Objects.Select(p => p.GetObject("podAffinityTerm")).OfType<ApiObject>() ?? []);
}
