using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.ApiServer.Admission;

/// <summary>What an object takes of the resources that a quota can limit.</summary>
/// <remarks>https://kubernetes.io/docs/concepts/policy/resource-quotas/</remarks>
internal static class QuotaUsage
{
    /// <summary>What a pod must say itself where a quota limits it: each of its containers, be it 0. Everything else counts as nothing when it is not said.</summary>
    private static readonly HashSet<string> s_mustSpecify =
        new(StringComparer.Ordinal) { "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory" };

    /// <summary>What the object takes, by the names that quotas use.</summary>
    public static Dictionary<string, decimal> Of(ResourceDefinition definition, ApiDocument obj)
    {
        var usage = new Dictionary<string, decimal>(StringComparer.Ordinal) { [$"count/{definition.GroupResource}"] = 1 };
        switch (definition.Group, definition.Plural)
        {
            case ("", "pods"):
                AddPod(usage, obj);
                break;
            case ("", "persistentvolumeclaims"):
                AddClaim(usage, obj.Spec);
                break;
            case ("", "services"):
                AddService(usage, obj.Spec);
                break;
            case ("", "secrets" or "configmaps" or "replicationcontrollers" or "resourcequotas"):
                usage[definition.Plural] = 1;
                break;
        }

        return usage;
    }

    /// <summary>What the containers of a pod would have to say and do not, in words; null when nothing is missing.</summary>
    public static string? Missing(ApiObject? spec, IEnumerable<string> limited)
    {
        var missing = new SortedDictionary<string, SortedSet<string>>(StringComparer.Ordinal);
        foreach (var resource in limited.Where(s_mustSpecify.Contains))
        {
            var dot = resource.IndexOf('.', StringComparison.Ordinal);
            var (list, name) = dot < 0 ? ("requests", resource) : (resource[..dot], resource[(dot + 1)..]);
            foreach (var container in Containers(spec))
            {
                if (PodResources.Read(PodResources.Resources(container, list), name) is null)
                {
                    if (!missing.TryGetValue(resource, out var containers))
                    {
                        missing[resource] = containers = new SortedSet<string>(StringComparer.Ordinal);
                    }

                    containers.Add(container.GetString("name") ?? "");
                }
            }
        }

        return missing.Count == 0 ? null : $"must specify {string.Join("; ", missing.Select(m => $"{m.Key} for: {string.Join(',', m.Value)}"))}";
    }

    private static void AddPod(Dictionary<string, decimal> usage, ApiDocument pod)
    {
        if (pod.Status?.GetString("phase") is "Succeeded" or "Failed")
        {
            // It takes nothing of its node any more.
            return;
        }

        usage["pods"] = 1;
        foreach (var name in NamesOf(pod.Spec, "requests"))
        {
            var sum = PodResources.Sum(pod.Spec, "requests", name);
            usage["requests." + name] = sum;
            if (!name.Contains('/', StringComparison.Ordinal))
            {
                usage[name] = sum;
            }
        }

        foreach (var name in NamesOf(pod.Spec, "limits"))
        {
            usage["limits." + name] = PodResources.Sum(pod.Spec, "limits", name);
        }
    }

    private static void AddClaim(Dictionary<string, decimal> usage, ApiObject? spec)
    {
        var size = PodResources.Read(spec?.GetObject("resources")?.GetObject("requests"), "storage") ?? 0;
        usage["persistentvolumeclaims"] = 1;
        usage["requests.storage"] = size;
        if (spec?.GetString("storageClassName") is { Length: > 0 } storageClass)
        {
            usage[$"{storageClass}.storageclass.storage.k8s.io/persistentvolumeclaims"] = 1;
            usage[$"{storageClass}.storageclass.storage.k8s.io/requests.storage"] = size;
        }
    }

    private static void AddService(Dictionary<string, decimal> usage, ApiObject? spec)
    {
        var ports = spec?.GetArray("ports");
        usage["services"] = 1;
        switch (spec?.GetString("type"))
        {
            case "NodePort":
                usage["services.nodeports"] = ports?.Count ?? 0;
                break;
            case "LoadBalancer":
                usage["services.loadbalancers"] = 1;
                usage["services.nodeports"] = spec.GetBoolean("allocateLoadBalancerNodePorts") == false
                    ? ports?.Objects.Count(p => p.GetInt64("nodePort") > 0) ?? 0
                    : ports?.Count ?? 0;
                break;
        }
    }

    private static HashSet<string> NamesOf(ApiObject? spec, string list)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var container in Containers(spec))
        {
            foreach (var (name, _) in PodResources.Resources(container, list) ?? [])
            {
                names.Add(name);
            }
        }

        return names;
    }

    private static IEnumerable<ApiObject> Containers(ApiObject? spec) =>
        (spec?.GetArray("initContainers")?.Objects ?? []).Concat(spec?.GetArray("containers")?.Objects ?? []);
}
