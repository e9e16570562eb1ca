using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of pods and pod templates.</summary>
internal static class PodValidation
{
    public static void Validate(ApiDocument pod, List<FieldError> errors) => ValidateSpec(pod.Spec ?? [], FieldPath.Of("spec"), errors);

    /// <summary>What only a new pod must not have.</summary>
    public static void ValidateCreate(ApiDocument pod, List<FieldError> errors)
    {
        if (pod.Spec?.GetArray("ephemeralContainers") is { Count: > 0 })
        {
            errors.Add(FieldError.Forbidden(FieldPath.Of("spec", "ephemeralContainers"), "cannot be set on create"));
        }
    }

    /// <summary>A template: labels, annotations and spec.</summary>
    public static void ValidateTemplate(ApiObject? template, FieldPath path, List<FieldError> errors)
    {
        if (template is null)
        {
            errors.Add(FieldError.Required(path));
            return;
        }

        MetadataValidation.ValidateLabels(template.Find("metadata", "labels")?.AsObject(), path.Child("labels"), errors);
        MetadataValidation.ValidateAnnotations(template.Find("metadata", "annotations")?.AsObject(), path.Child("annotations"), errors);
        var spec = template.GetObject("spec") ?? [];
        ValidateSpec(spec, path.Child("spec"), errors);
        if (spec.GetArray("ephemeralContainers") is { Count: > 0 })
        {
            errors.Add(FieldError.Forbidden(path.Child("spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template"));
        }
    }

    public static void ValidateSpec(ApiObject spec, FieldPath path, List<FieldError> errors)
    {
        var volumes = VolumeValidation.Validate(spec.GetArray("volumes"), path.Child("volumes"), errors);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var hostNetwork = spec.GetBoolean("hostNetwork") == true;
        if (spec.GetArray("containers") is not { Count: > 0 } containers)
        {
            errors.Add(FieldError.Required(path.Child("containers")));
        }
        else
        {
            ContainerValidation.Validate(containers, path.Child("containers"), volumes, names, isInit: false, hostNetwork, errors);
        }

        ContainerValidation.Validate(spec.GetArray("initContainers"), path.Child("initContainers"), volumes, names, isInit: true, hostNetwork, errors);
        ContainerValidation.ValidateEphemeral(spec, path.Child("ephemeralContainers"), volumes, names, errors);

        Checks.RequireNotNegative(spec, "terminationGracePeriodSeconds", path, errors);
        if (spec.GetInt64("activeDeadlineSeconds") is { } deadline and (< 1 or > int.MaxValue))
        {
            errors.Add(FieldError.Invalid(path.Child("activeDeadlineSeconds"), deadline, "must be between 1 and 2147483647, inclusive"));
        }

        ValidateNames(spec, path, errors);
        MetadataValidation.ValidateLabels(spec.GetObject("nodeSelector"), path.Child("nodeSelector"), errors);
        ValidateDns(spec, path, errors);
        ValidateTolerations(spec.GetArray("tolerations"), path.Child("tolerations"), errors);
        ValidateAffinity(spec.GetObject("affinity"), path.Child("affinity"), errors);
        ValidateTopologySpread(spec.GetArray("topologySpreadConstraints"), path.Child("topologySpreadConstraints"), errors);
        ValidateSecurity(spec, path, errors);
        var index = 0;
        foreach (var alias in spec.GetArray("hostAliases")?.Objects ?? [])
        {
            if (!AddressRules.TryParse(alias.GetString("ip"), out _))
            {
                errors.Add(FieldError.Invalid(path.Child("hostAliases").Index(index).Child("ip"), alias.GetString("ip") ?? "", AddressRules.AddressMessage));
            }

            index++;
        }
    }

    private static void ValidateNames(ApiObject spec, FieldPath path, List<FieldError> errors)
    {
        foreach (var (field, rule) in (ReadOnlySpan<(string, Func<string, IReadOnlyList<string>>)>)[
            ("nodeName", NameRules.Dns1123Subdomain),
            ("serviceAccountName", NameRules.Dns1123Subdomain),
            ("priorityClassName", NameRules.Dns1123Subdomain),
            ("runtimeClassName", NameRules.Dns1123Subdomain),
            ("hostname", NameRules.Dns1123Label),
            ("subdomain", NameRules.Dns1123Label),
            ("schedulerName", NameRules.QualifiedName)])
        {
            if (spec.GetString(field) is { Length: > 0 } value)
            {
                MetadataValidation.Report(rule(value), path.Child(field), value, errors);
            }
        }

        var gates = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var gate in spec.GetArray("schedulingGates")?.Objects ?? [])
        {
            var at = path.Child("schedulingGates").Index(index++);
            var name = gate.GetString("name") ?? "";
            MetadataValidation.Report(NameRules.QualifiedName(name), at, name, errors);
            if (!gates.Add(name))
            {
                errors.Add(FieldError.Duplicate(at, name));
            }
        }
    }

    private static void ValidateDns(ApiObject spec, FieldPath path, List<FieldError> errors)
    {
        var servers = spec.Find("dnsConfig", "nameservers")?.AsArray();
        if (spec.GetString("dnsPolicy") == "None" && servers is not { Count: > 0 })
        {
            errors.Add(FieldError.Required(path.Child("dnsConfig", "nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None"));
        }

        if (servers is { Count: > 3 })
        {
            errors.Add(FieldError.Invalid(path.Child("dnsConfig", "nameservers"), servers, "must not have more than 3 nameservers"));
        }

        var index = 0;
        foreach (var server in servers?.Strings ?? [])
        {
            var at = path.Child("dnsConfig", "nameservers").Index(index++);
            if (!AddressRules.TryParse(server, out _))
            {
                errors.Add(FieldError.Invalid(at, server, AddressRules.AddressMessage));
            }
        }
    }

    private static void ValidateTolerations(ApiArray? tolerations, FieldPath path, List<FieldError> errors)
    {
        var index = 0;
        foreach (var toleration in tolerations?.Objects ?? [])
        {
            var at = path.Index(index++);
            var key = toleration.GetString("key") ?? "";
            var @operator = toleration.GetString("operator") ?? "Equal";
            if (key.Length > 0)
            {
                MetadataValidation.Report(NameRules.QualifiedName(key), at.Child("key"), key, errors);
            }
            else if (@operator != "Exists")
            {
                errors.Add(FieldError.Invalid(at.Child("operator"), @operator, "operator must be Exists when `key` is empty, which means \"match all values and all keys\""));
            }

            if (toleration["tolerationSeconds"] is not null && toleration.GetString("effect") != "NoExecute")
            {
                errors.Add(FieldError.Invalid(at.Child("effect"), toleration.GetString("effect") ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"));
            }

            if (@operator == "Exists" && toleration.GetString("value") is { Length: > 0 } value)
            {
                errors.Add(FieldError.Invalid(at.Child("operator"), value, "value must be empty when `operator` is 'Exists'"));
            }
            else if (@operator == "Equal")
            {
                var text = toleration.GetString("value") ?? "";
                MetadataValidation.Report(NameRules.LabelValue(text), at.Child("operator"), text, errors);
            }
        }
    }

    private static void ValidateAffinity(ApiObject? affinity, FieldPath path, List<FieldError> errors)
    {
        if (affinity is null)
        {
            return;
        }

        if (affinity.GetObject("nodeAffinity") is { } nodes)
        {
            NodeAffinityValidation.Validate(nodes, path.Child("nodeAffinity"), errors);
        }

        foreach (var kind in (ReadOnlySpan<string>)["podAffinity", "podAntiAffinity"])
        {
            var index = 0;
            foreach (var term in affinity.Find(kind, "requiredDuringSchedulingIgnoredDuringExecution")?.AsArray()?.Objects ?? [])
            {
                ValidatePodAffinityTerm(term, path.Child(kind, "requiredDuringSchedulingIgnoredDuringExecution").Index(index++), errors);
            }

            index = 0;
            foreach (var weighted in affinity.Find(kind, "preferredDuringSchedulingIgnoredDuringExecution")?.AsArray()?.Objects ?? [])
            {
                var at = path.Child(kind, "preferredDuringSchedulingIgnoredDuringExecution").Index(index++);
                if (weighted.GetInt64("weight") is not ({ } and >= 1 and <= 100))
                {
                    errors.Add(FieldError.Invalid(at.Child("weight"), weighted["weight"] ?? 0, "must be in the range 1-100"));
                }

                ValidatePodAffinityTerm(weighted.GetObject("podAffinityTerm") ?? [], at.Child("podAffinityTerm"), errors);
            }
        }
    }

    private static void ValidatePodAffinityTerm(ApiObject term, FieldPath path, List<FieldError> errors)
    {
        Checks.ValidateLabelSelector(term.GetObject("labelSelector"), path.Child("labelSelector"), errors);
        if (Checks.RequireString(term, "topologyKey", path, errors, "can not be empty"))
        {
            var key = term.GetString("topologyKey")!;
            MetadataValidation.Report(NameRules.QualifiedName(key), path.Child("topologyKey"), key, errors);
        }
    }

    private static void ValidateTopologySpread(ApiArray? constraints, FieldPath path, List<FieldError> errors)
    {
        var index = 0;
        var seen = new HashSet<(string?, string?)>();
        foreach (var constraint in constraints?.Objects ?? [])
        {
            var at = path.Index(index++);
            if (constraint.GetInt64("maxSkew") is null or <= 0)
            {
                errors.Add(FieldError.Invalid(at.Child("maxSkew"), constraint["maxSkew"] ?? 0, "must be greater than 0"));
            }

            Checks.RequireString(constraint, "topologyKey", at, errors, "can not be empty");
            Checks.RequireString(constraint, "whenUnsatisfiable", at, errors);
            if (constraint.GetInt64("minDomains") is { } domains)
            {
                if (domains <= 0)
                {
                    errors.Add(FieldError.Invalid(at.Child("minDomains"), domains, "must be greater than 0"));
                }

                if (constraint.GetString("whenUnsatisfiable") != "DoNotSchedule")
                {
                    errors.Add(FieldError.Invalid(at.Child("minDomains"), domains, "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"));
                }
            }

            if (!seen.Add((constraint.GetString("topologyKey"), constraint.GetString("whenUnsatisfiable"))))
            {
                errors.Add(FieldError.Duplicate(
                    at.Child("{topologyKey, whenUnsatisfiable}"), $"{{{constraint.GetString("topologyKey")}, {constraint.GetString("whenUnsatisfiable")}}}"));
            }

            Checks.ValidateLabelSelector(constraint.GetObject("labelSelector"), at.Child("labelSelector"), errors);
        }
    }

    private static void ValidateSecurity(ApiObject spec, FieldPath path, List<FieldError> errors)
    {
        if (spec.GetBoolean("shareProcessNamespace") == true && spec.GetBoolean("hostPID") == true)
        {
            errors.Add(FieldError.Invalid(path.Child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled"));
        }

        if (spec.GetObject("securityContext") is { } context)
        {
            foreach (var field in (ReadOnlySpan<string>)["runAsUser", "runAsGroup", "fsGroup"])
            {
                if (context.GetInt64(field) is { } id and (< 0 or > int.MaxValue))
                {
                    errors.Add(FieldError.Invalid(path.Child("securityContext", field), id, "must be between 0 and 2147483647, inclusive"));
                }
            }
        }
    }
}
