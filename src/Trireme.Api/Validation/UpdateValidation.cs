using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Validation;

/// <summary>What may not change after creation.</summary>
internal static class UpdateValidation
{
    private const string PodMessage =
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        + "`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

    private const string StatefulSetMessage =
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
        + "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    public static Dictionary<GroupKind, KindUpdateRule> Build() => new()
    {
        [new("", "Pod")] = Pod,
        [new("apps", "Deployment")] = Fields("spec.selector"),
        [new("apps", "ReplicaSet")] = Fields("spec.selector"),
        [new("apps", "DaemonSet")] = Fields("spec.selector"),
        [new("apps", "StatefulSet")] = StatefulSet,
        [new("apps", "ControllerRevision")] = Fields("data"),
        [new("batch", "Job")] = Job,
        [new("", "Service")] = Service,
        [new("", "Secret")] = static (updated, existing, errors) =>
        {
            Checks.RequireUnchanged(updated["type"], existing["type"], FieldPath.Of("type"), errors);
            ConfigValidation.Update(updated, existing, errors);
        },
        [new("", "ConfigMap")] = ConfigValidation.Update,
        [new("", "PersistentVolumeClaim")] = StorageValidation.UpdateClaim,
        [new("", "PersistentVolume")] = PersistentVolume,
        [new("", "ResourceQuota")] = Fields("spec.scopes"),
        [new("", "Node")] = SetOnce("spec.podCIDR", "spec.podCIDRs", "spec.providerID"),
        [new("storage.k8s.io", "StorageClass")] = Forbidden(
            "updates to parameters are forbidden.", "provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
        [new("storage.k8s.io", "VolumeAttachment")] = Fields("spec"),
        [new("storage.k8s.io", "CSIDriver")] = Fields("spec.attachRequired", "spec.volumeLifecycleModes"),
        [new("storage.k8s.io", "CSIStorageCapacity")] = Fields("nodeTopology", "storageClassName"),
        [new("storage.k8s.io", "VolumeAttributesClass")] = Fields("driverName", "parameters"),
        [new("scheduling.k8s.io", "PriorityClass")] = Forbidden("may not be changed in an update.", "value", "preemptionPolicy"),
        [new("node.k8s.io", "RuntimeClass")] = Fields("handler"),
        [new("networking.k8s.io", "IngressClass")] = Fields("spec.controller"),
        [new("networking.k8s.io", "IPAddress")] = Fields("spec.parentRef"),
        [new("discovery.k8s.io", "EndpointSlice")] = Fields("addressType"),
        [new("rbac.authorization.k8s.io", "RoleBinding")] = RoleRef,
        [new("rbac.authorization.k8s.io", "ClusterRoleBinding")] = RoleRef,
        [new("certificates.k8s.io", "CertificateSigningRequest")] = Fields("spec"),
        [new("apiextensions.k8s.io", "CustomResourceDefinition")] = CustomResourceDefinitionValidation.Update,
        [new("resource.k8s.io", "ResourceClaim")] = Fields("spec"),
        [new("resource.k8s.io", "ResourceClaimTemplate")] = Fields("spec"),
        [new("resource.k8s.io", "ResourceSlice")] = Fields("spec.driver", "spec.pool.name", "spec.nodeName"),
    };

    private static KindUpdateRule Fields(params string[] paths) => (updated, existing, errors) =>
    {
        foreach (var path in paths)
        {
            var names = path.Split('.');
            Checks.RequireUnchanged(updated.Find(names), existing.Find(names), FieldPath.Of(names), errors);
        }
    };

    private static KindUpdateRule Forbidden(string detail, params string[] fields) => (updated, existing, errors) =>
    {
        foreach (var field in fields)
        {
            if (!ApiNode.DeepEquals(updated[field], existing[field]))
            {
                errors.Add(FieldError.Forbidden(FieldPath.Of(field), detail));
            }
        }
    };

    private static KindUpdateRule SetOnce(params string[] paths) => (updated, existing, errors) =>
    {
        foreach (var path in paths)
        {
            var names = path.Split('.');
            if (existing.Find(names) is { } before && !ApiNode.DeepEquals(updated.Find(names), before))
            {
                errors.Add(FieldError.Forbidden(FieldPath.Of(names), "node updates may not change " + names[^1] + " except from \"\" to valid"));
            }
        }
    };

    private static void RoleRef(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        if (!ApiNode.DeepEquals(updated["roleRef"], existing["roleRef"]))
        {
            errors.Add(FieldError.Invalid(FieldPath.Of("roleRef"), updated["roleRef"], "cannot change roleRef"));
        }
    }

    private static void Pod(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        var before = existing.Spec?.Clone() ?? [];
        var after = updated.Spec?.Clone() ?? [];
        foreach (var field in (ReadOnlySpan<string>)["containers", "initContainers"])
        {
            if ((before.GetArray(field)?.Count ?? 0) != (after.GetArray(field)?.Count ?? 0))
            {
                errors.Add(FieldError.Forbidden(SpecPath.Child(field), "pod updates may not add or remove containers"));
                return;
            }

            foreach (var container in (before.GetArray(field)?.Objects ?? []).Concat(after.GetArray(field)?.Objects ?? []))
            {
                container.Remove("image");
            }
        }

        CheckDeadline(before, after, errors);
        CheckTolerations(before, after, errors);
        if (before.GetInt64("terminationGracePeriodSeconds") < 0 && after.GetInt64("terminationGracePeriodSeconds") == 1)
        {
            before.Set("terminationGracePeriodSeconds", 1);
        }

        RelaxGated(before, after);
        if (!ApiNode.DeepEquals(before, after))
        {
            errors.Add(FieldError.Forbidden(SpecPath, PodMessage));
        }
    }

    /// <summary>While gates hold a pod back, gates may go and the node selection may narrow (KEP-3838).</summary>
    private static void RelaxGated(ApiObject before, ApiObject after)
    {
        if (before.GetArray("schedulingGates") is not { Count: > 0 } gates)
        {
            return;
        }

        var names = gates.Objects.Select(g => g.GetString("name")).ToHashSet();
        if ((after.GetArray("schedulingGates")?.Objects ?? []).All(g => names.Contains(g.GetString("name"))))
        {
            before.Remove("schedulingGates");
            after.Remove("schedulingGates");
        }

        var selector = after.GetObject("nodeSelector");
        if ((before.GetObject("nodeSelector") ?? []).All(s => ApiNode.DeepEquals(selector?[s.Key], s.Value)))
        {
            before.Remove("nodeSelector");
            after.Remove("nodeSelector");
        }

        if (before.Find("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution") is null)
        {
            before.GetObject("affinity")?.Remove("nodeAffinity");
            after.GetObject("affinity")?.Remove("nodeAffinity");
            foreach (var spec in (ReadOnlySpan<ApiObject>)[before, after])
            {
                if (spec.GetObject("affinity") is { Count: 0 })
                {
                    spec.Remove("affinity");
                }
            }
        }
    }

    private static void CheckDeadline(ApiObject before, ApiObject after, List<FieldError> errors)
    {
        var old = before.GetInt64("activeDeadlineSeconds");
        var path = SpecPath.Child("activeDeadlineSeconds");
        if (after.GetInt64("activeDeadlineSeconds") is { } deadline)
        {
            if (old < deadline)
            {
                errors.Add(FieldError.Invalid(path, deadline, "must be less than or equal to previous value"));
            }
        }
        else if (old is not null)
        {
            errors.Add(FieldError.Invalid(path, ApiScalar.Null, "must not update from a positive integer to nil value"));
        }

        before.Remove("activeDeadlineSeconds");
        after.Remove("activeDeadlineSeconds");
    }

    private static void CheckTolerations(ApiObject before, ApiObject after, List<FieldError> errors)
    {
        var now = after.GetArray("tolerations");
        foreach (var toleration in before.GetArray("tolerations")?.Objects ?? [])
        {
            if (now?.Objects.Any(t => SameToleration(t, toleration)) != true)
            {
                errors.Add(FieldError.Forbidden(SpecPath.Child("tolerations"), "existing toleration can not be modified except its tolerationSeconds"));
            }
        }

        before.Remove("tolerations");
        after.Remove("tolerations");
    }

    private static bool SameToleration(ApiObject left, ApiObject right) =>
        left.GetString("key") == right.GetString("key") && left.GetString("effect") == right.GetString("effect")
        && left.GetString("operator") == right.GetString("operator") && left.GetString("value") == right.GetString("value");

    private static void StatefulSet(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        var before = existing.Spec?.Clone() ?? [];
        var after = updated.Spec?.Clone() ?? [];
        foreach (var field in (ReadOnlySpan<string>)[
            "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy", "minReadySeconds"])
        {
            before.Remove(field);
            after.Remove(field);
        }

        if (!ApiNode.DeepEquals(before, after))
        {
            errors.Add(FieldError.Forbidden(SpecPath, StatefulSetMessage));
        }
    }

    private static void Job(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        foreach (var field in (ReadOnlySpan<string>)["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"])
        {
            Checks.RequireUnchanged(updated.Spec?[field], existing.Spec?[field], SpecPath.Child(field), errors);
        }

        var completions = updated.Spec?["completions"];
        var elastic = updated.Spec?.GetString("completionMode") == "Indexed" && ApiNode.DeepEquals(completions, updated.Spec?["parallelism"]);
        if (!elastic)
        {
            Checks.RequireUnchanged(completions, existing.Spec?["completions"], SpecPath.Child("completions"), errors);
        }

        var before = existing.Spec?.GetObject("template")?.Clone() ?? [];
        var after = updated.Spec?.GetObject("template")?.Clone() ?? [];
        if (existing.Spec?.GetBoolean("suspend") == true && existing.Find("status", "startTime") is null)
        {
            // A job that has not started may still be steered to nodes (KEP-2926).
            foreach (var template in (ReadOnlySpan<ApiObject>)[before, after])
            {
                template.Remove("metadata");
                foreach (var field in (ReadOnlySpan<string>)["affinity", "nodeSelector", "tolerations", "schedulingGates"])
                {
                    template.GetObject("spec")?.Remove(field);
                }
            }
        }

        if (!ApiNode.DeepEquals(before, after))
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("template"), updated.Spec?["template"], Checks.Immutable));
        }
    }

    private static void Service(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        var type = updated.Spec?.GetString("type");
        if (type != "ExternalName" && existing.Spec?.GetString("type") != "ExternalName")
        {
            if (existing.Spec?.GetString("clusterIP") is { Length: > 0 } address && updated.Spec?.GetString("clusterIP") != address)
            {
                errors.Add(FieldError.Invalid(SpecPath.Child("clusterIPs").Index(0), updated.Spec?["clusterIP"] ?? ApiScalar.EmptyString, "may not change once set"));
            }

            if (existing.Spec?["ipFamilies"]?[0] is { } family && updated.Spec?["ipFamilies"]?[0] is { } now && !ApiNode.DeepEquals(family, now))
            {
                errors.Add(FieldError.Invalid(SpecPath.Child("ipFamilies").Index(0), now, "may not change once set"));
            }
        }

        if (existing.Spec?["loadBalancerClass"] is { } balancer && type == "LoadBalancer" && existing.Spec.GetString("type") == "LoadBalancer"
            && !ApiNode.DeepEquals(updated.Spec?["loadBalancerClass"], balancer))
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("loadBalancerClass"), updated.Spec?["loadBalancerClass"], "may not change once set"));
        }
    }

    private static void PersistentVolume(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        string[] free = ["capacity", "claimRef", "accessModes", "persistentVolumeReclaimPolicy", "storageClassName", "mountOptions", "volumeMode", "nodeAffinity", "volumeAttributesClassName"];
        var before = existing.Spec?.Clone() ?? [];
        var after = updated.Spec?.Clone() ?? [];
        foreach (var field in free)
        {
            before.Remove(field);
            after.Remove(field);
        }

        if (!ApiNode.DeepEquals(before, after))
        {
            errors.Add(FieldError.Forbidden(SpecPath.Child("persistentvolumesource"), "spec.persistentvolumesource is immutable after creation"));
        }

        Checks.RequireUnchanged(updated.Spec?["volumeMode"], existing.Spec?["volumeMode"], SpecPath.Child("volumeMode"), errors);
        if (existing.Spec?["nodeAffinity"] is { } affinity)
        {
            Checks.RequireUnchanged(updated.Spec?["nodeAffinity"], affinity, SpecPath.Child("nodeAffinity"), errors);
        }
    }
}
