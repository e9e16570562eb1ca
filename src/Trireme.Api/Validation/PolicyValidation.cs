using Trireme.Api.Documents;
using Trireme.Api.Models;

namespace Trireme.Api.Validation;

/// <summary>Rules of quotas, limits, nodes, budgets, priorities, leases and autoscalers.</summary>
internal static class PolicyValidation
{
    private const long HighestUserPriority = 1_000_000_000;

    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    private static readonly HashSet<string> s_quotaResources = new(StringComparer.Ordinal)
    {
        "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage",
        "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas", "services", "replicationcontrollers", "secrets",
        "persistentvolumeclaims", "configmaps", "services.nodeports", "services.loadbalancers",
    };

    public static void ResourceQuota(ApiDocument quota, List<FieldError> errors)
    {
        var hard = quota.Spec?.GetObject("hard");
        var path = SpecPath.Child("hard");
        ResourceValidation.ValidateAmounts(hard, path, errors, standardOnly: false);
        foreach (var (name, _) in hard ?? [])
        {
            if (!name.Contains('/', StringComparison.Ordinal) && !s_quotaResources.Contains(name)
                && !name.StartsWith("hugepages-", StringComparison.Ordinal) && !name.StartsWith("requests.hugepages-", StringComparison.Ordinal))
            {
                errors.Add(FieldError.Invalid(path.Key(name), name, "must be a standard resource type or fully qualified"));
                errors.Add(FieldError.Invalid(path.Key(name), name, "must be a standard resource for quota"));
            }
        }
    }

    public static void LimitRange(ApiDocument range, List<FieldError> errors)
    {
        var index = 0;
        var types = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in range.Spec?.GetArray("limits")?.Objects ?? [])
        {
            var at = SpecPath.Child("limits").Index(index++);
            if (Checks.RequireString(item, "type", at, errors) && !types.Add(item.GetString("type")!))
            {
                errors.Add(FieldError.Duplicate(at.Child("type"), item["type"]));
            }

            foreach (var (low, high) in (ReadOnlySpan<(string, string)>)[
                ("min", "max"), ("min", "default"), ("min", "defaultRequest"), ("defaultRequest", "max"), ("default", "max"), ("defaultRequest", "default")])
            {
                foreach (var (name, value) in item.GetObject(low) ?? [])
                {
                    if (Quantity.TryParse(value.AsString() ?? "", out var lower)
                        && Quantity.TryParse(item.Find(high, name)?.AsString() ?? "", out var upper) && lower > upper)
                    {
                        errors.Add(FieldError.Invalid(
                            at.Child(low).Key(name), value, $"{low} value {value.AsString()} is greater than {high} value {item.Find(high, name)?.AsString()}"));
                    }
                }
            }
        }
    }

    public static void Node(ApiDocument node, List<FieldError> errors)
    {
        var seen = new HashSet<(string?, string?)>();
        var index = 0;
        foreach (var taint in node.Spec?.GetArray("taints")?.Objects ?? [])
        {
            var at = SpecPath.Child("taints").Index(index++);
            var key = taint.GetString("key") ?? "";
            MetadataValidation.Report(NameRules.QualifiedName(key), at.Child("key"), key, errors);
            var value = taint.GetString("value") ?? "";
            MetadataValidation.Report(NameRules.LabelValue(value), at.Child("value"), value, errors);
            Checks.RequireString(taint, "effect", at, errors);
            if (!seen.Add((key, taint.GetString("effect"))))
            {
                errors.Add(FieldError.Duplicate(at, taint));
            }
        }
    }

    public static void DisruptionBudget(ApiDocument budget, List<FieldError> errors)
    {
        var spec = budget.Spec ?? [];
        if (spec["minAvailable"] is not null && spec["maxUnavailable"] is not null)
        {
            errors.Add(FieldError.Invalid(SpecPath, spec, "minAvailable and maxUnavailable cannot be both set"));
        }

        Checks.ValidateCountOrPercent(spec["minAvailable"], SpecPath.Child("minAvailable"), errors, capAtHundred: true);
        Checks.ValidateCountOrPercent(spec["maxUnavailable"], SpecPath.Child("maxUnavailable"), errors, capAtHundred: true);
        Checks.ValidateLabelSelector(spec.GetObject("selector"), SpecPath.Child("selector"), errors);
    }

    public static void PriorityClass(ApiDocument priority, List<FieldError> errors)
    {
        var name = priority.Metadata.Name ?? "";
        if (name.StartsWith("system-", StringComparison.Ordinal))
        {
            if (name is not ("system-node-critical" or "system-cluster-critical"))
            {
                errors.Add(FieldError.Forbidden(FieldPath.Of("metadata", "name"), "priority class names with 'system-' prefix are reserved for system use only. error: " + name + " is not a known system priority class"));
            }
        }
        else if (priority["value"]?.AsInt64() > HighestUserPriority)
        {
            errors.Add(FieldError.Forbidden(
                FieldPath.Of("value"), $"maximum allowed value of a user defined priority is {HighestUserPriority}"));
        }
    }

    public static void Lease(ApiDocument lease, List<FieldError> errors)
    {
        var spec = lease.Spec ?? [];
        Checks.RequirePositive(spec, "leaseDurationSeconds", SpecPath, errors);
        Checks.RequireNotNegative(spec, "leaseTransitions", SpecPath, errors);
        if (spec.TryGetValue("holderIdentity", out var holder) && holder.AsString() is "")
        {
            // Kubernetes lets a released lease keep an empty holder: elected components release in this way.
            return;
        }

        foreach (var field in (ReadOnlySpan<string>)["acquireTime", "renewTime"])
        {
            if (spec.GetString(field) is { } time && !KubernetesTime.TryParse(time, out _))
            {
                errors.Add(FieldError.Invalid(SpecPath.Child(field), time, "must be a time in RFC 3339"));
            }
        }
    }

    public static void Autoscaler(ApiDocument autoscaler, List<FieldError> errors)
    {
        var spec = autoscaler.Spec ?? [];
        var min = spec.GetInt64("minReplicas") ?? 1;
        var max = spec.GetInt64("maxReplicas") ?? 0;
        if (min < 1)
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("minReplicas"), min, "must be greater than or equal to 1"));
        }

        if (max < 1)
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("maxReplicas"), max, "must be greater than 0"));
        }

        if (max < min)
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("maxReplicas"), max, "must be greater than or equal to `minReplicas`"));
        }

        var target = spec.GetObject("scaleTargetRef") ?? [];
        Checks.RequireString(target, "kind", SpecPath.Child("scaleTargetRef"), errors);
        Checks.RequireString(target, "name", SpecPath.Child("scaleTargetRef"), errors);
        var index = 0;
        foreach (var metric in spec.GetArray("metrics")?.Objects ?? [])
        {
            ValidateMetric(metric, SpecPath.Child("metrics").Index(index++), errors);
        }
    }

    /// <summary>A metric names its type and has the source of that type, and no other.</summary>
    private static void ValidateMetric(ApiObject metric, FieldPath path, List<FieldError> errors)
    {
        if (!Checks.RequireString(metric, "type", path, errors, "must specify a metric source type"))
        {
            return;
        }

        var type = metric.GetString("type")!;
        var source = string.Concat(char.ToLowerInvariant(type[0]), type[1..]);
        if (metric.GetObject(source) is not { } given)
        {
            errors.Add(FieldError.Required(path.Child(source), "must populate information for the given metric source"));
        }
        else if (type is "Resource" or "ContainerResource")
        {
            Checks.RequireString(given, "name", path.Child(source), errors, "must specify a resource name");
            var target = given.GetObject("target");
            if (target?["averageUtilization"] is null && target?["averageValue"] is null)
            {
                errors.Add(FieldError.Required(path.Child(source, "target").Child("averageUtilization"), "must set either a target raw value or a target utilization"));
            }
        }

        foreach (var (name, _) in metric)
        {
            if (name != "type" && name != source)
            {
                errors.Add(FieldError.Forbidden(path.Child(name), "must populate the given metric source only"));
            }
        }
    }
}
