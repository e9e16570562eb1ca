using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of RBAC objects and certificate signing requests.</summary>
internal static class AccessValidation
{
    private const string Group = "rbac.authorization.k8s.io";

    public static void Role(ApiDocument role, List<FieldError> errors) => PolicyRules(role, namespaced: true, errors);

    public static void ClusterRole(ApiDocument role, List<FieldError> errors)
    {
        PolicyRules(role, namespaced: false, errors);
        if (role["aggregationRule"]?.AsObject() is { } aggregation)
        {
            var path = FieldPath.Of("aggregationRule", "clusterRoleSelectors");
            if (aggregation.GetArray("clusterRoleSelectors") is not { Count: > 0 } selectors)
            {
                errors.Add(FieldError.Required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"));
            }
            else
            {
                var index = 0;
                foreach (var selector in selectors.Objects)
                {
                    Checks.ValidateLabelSelector(selector, path.Index(index++), errors);
                }
            }
        }
    }

    public static void RoleBinding(ApiDocument binding, List<FieldError> errors) => Binding(binding, ["ClusterRole", "Role"], namespaced: true, errors);

    public static void ClusterRoleBinding(ApiDocument binding, List<FieldError> errors) => Binding(binding, ["ClusterRole"], namespaced: false, errors);

    public static void SigningRequest(ApiDocument request, List<FieldError> errors)
    {
        var spec = request.Spec ?? [];
        var path = FieldPath.Of("spec");
        Checks.RequireString(spec, "request", path, errors);
        if (spec.GetArray("usages") is not { Count: > 0 })
        {
            errors.Add(FieldError.Required(path.Child("usages"), "usages must be provided"));
        }

        if (Checks.RequireString(spec, "signerName", path, errors) && !spec.GetString("signerName")!.Contains('/', StringComparison.Ordinal))
        {
            errors.Add(FieldError.Invalid(path.Child("signerName"), spec["signerName"], "must be a fully qualified domain and path of the form 'example.com/signer-name'"));
        }

        if (spec.GetInt64("expirationSeconds") is < 600)
        {
            errors.Add(FieldError.Invalid(path.Child("expirationSeconds"), spec["expirationSeconds"], "may not specify a duration less than 600 seconds (10 minutes)"));
        }
    }

    private static void PolicyRules(ApiDocument role, bool namespaced, List<FieldError> errors)
    {
        var index = 0;
        foreach (var rule in role["rules"]?.AsArray()?.Objects ?? [])
        {
            var at = FieldPath.Of("rules").Index(index++);
            if (rule.GetArray("verbs") is not { Count: > 0 })
            {
                errors.Add(FieldError.Required(at.Child("verbs"), "verbs must contain at least one value"));
            }

            if (rule.GetArray("nonResourceURLs") is { Count: > 0 } urls)
            {
                if (namespaced)
                {
                    errors.Add(FieldError.Invalid(at.Child("nonResourceURLs"), urls, "namespaced rules cannot apply to non-resource URLs"));
                }

                if (rule.GetArray("apiGroups") is { Count: > 0 } || rule.GetArray("resources") is { Count: > 0 } || rule.GetArray("resourceNames") is { Count: > 0 })
                {
                    errors.Add(FieldError.Invalid(at.Child("nonResourceURLs"), urls, "rules cannot apply to both regular resources and non-resource URLs"));
                }

                continue;
            }

            if (rule.GetArray("apiGroups") is not { Count: > 0 })
            {
                errors.Add(FieldError.Required(at.Child("apiGroups"), "resource rules must supply at least one api group"));
            }

            if (rule.GetArray("resources") is not { Count: > 0 })
            {
                errors.Add(FieldError.Required(at.Child("resources"), "resource rules must supply at least one resource"));
            }
        }
    }

    private static void Binding(ApiDocument binding, string[] roleKinds, bool namespaced, List<FieldError> errors)
    {
        var role = binding["roleRef"]?.AsObject() ?? [];
        var path = FieldPath.Of("roleRef");
        if (role.GetString("apiGroup") != Group)
        {
            errors.Add(FieldError.NotSupported(path.Child("apiGroup"), role["apiGroup"] ?? ApiScalar.EmptyString, Group));
        }

        if (!roleKinds.Contains(role.GetString("kind")))
        {
            errors.Add(FieldError.NotSupported(path.Child("kind"), role["kind"] ?? ApiScalar.EmptyString, roleKinds));
        }

        if (Checks.RequireString(role, "name", path, errors))
        {
            MetadataValidation.Report(NameRules.PathSegmentName(role.GetString("name")!), path.Child("name"), role["name"]!, errors);
        }

        var index = 0;
        foreach (var subject in binding["subjects"]?.AsArray()?.Objects ?? [])
        {
            Subject(subject, FieldPath.Of("subjects").Index(index++), namespaced, errors);
        }
    }

    private static void Subject(ApiObject subject, FieldPath path, bool namespaced, List<FieldError> errors)
    {
        Checks.RequireString(subject, "name", path, errors);
        switch (subject.GetString("kind"))
        {
            case "ServiceAccount":
                if (subject.GetString("name") is { Length: > 0 } name)
                {
                    MetadataValidation.Report(NameRules.Dns1123Subdomain(name), path.Child("name"), name, errors);
                }

                if (subject.GetString("apiGroup") is { Length: > 0 })
                {
                    errors.Add(FieldError.NotSupported(path.Child("apiGroup"), subject["apiGroup"], ""));
                }

                if (!namespaced)
                {
                    Checks.RequireString(subject, "namespace", path, errors);
                }

                break;
            case "User" or "Group":
                if (subject.GetString("apiGroup") != Group)
                {
                    errors.Add(FieldError.NotSupported(path.Child("apiGroup"), subject["apiGroup"] ?? ApiScalar.EmptyString, Group));
                }

                break;
            default:
                errors.Add(FieldError.NotSupported(path.Child("kind"), subject["kind"] ?? ApiScalar.EmptyString, "ServiceAccount", "User", "Group"));
                break;
        }
    }
}
