using System.Globalization;
using Trireme.Api.Documents;

namespace Trireme.Api.Tables;

/// <summary>The cells that no path can name, by the name that columns.json calls them.</summary>
internal static class ComputedCells
{
    private const string None = "<none>";
    private const string Unset = "<unset>";

    private static readonly Dictionary<string, CellFormula> Formulas = new(StringComparer.Ordinal)
    {
        ["podReady"] = (pod, _) => PodCells.Ready(pod),
        ["podStatus"] = (pod, _) => PodCells.Status(pod),
        ["podRestarts"] = PodCells.Restarts,
        ["podReadinessGates"] = (pod, _) => PodCells.ReadinessGates(pod),
        ["nodeStatus"] = (node, _) => NodeCells.Status(node),
        ["nodeRoles"] = (node, _) => NodeCells.Roles(node),
        ["nodeKernel"] = (node, _) => NodeCells.Kernel(node),
        ["serviceExternalIP"] = (service, _) => ServiceCells.ExternalAddress(service),
        ["servicePorts"] = (service, _) => ServiceCells.Ports(service),
        ["endpoints"] = (endpoints, _) => ServiceCells.Endpoints(endpoints),
        ["sliceEndpoints"] = (slice, _) => ServiceCells.SliceEndpoints(slice),
        ["slicePorts"] = (slice, _) => ServiceCells.SlicePorts(slice),
        ["ingressHosts"] = (ingress, _) => ServiceCells.IngressHosts(ingress),
        ["ingressAddress"] = (ingress, _) => ServiceCells.BalancerAddresses(ingress),
        ["ingressPorts"] = (ingress, _) => ingress.Find("spec", "tls") is ApiArray { Count: > 0 } ? "80, 443" : "80",
        ["ingressClassParameters"] = (item, _) => IngressClassParameters(item),
        ["jobStatus"] = (job, _) => JobCells.Status(job),
        ["jobCompletions"] = (job, _) => JobCells.Completions(job),
        ["jobDuration"] = JobCells.Duration,
        ["cronJobSuspend"] = (job, _) => job.Find("spec", "suspend")?.AsBoolean() switch { true => "True", false => "False", null => Unset },
        ["readyReplicas"] = (item, _) => $"{Number(item.Find("status", "readyReplicas"))}/{Number(item.Find("spec", "replicas"))}",
        ["autoscalerTargets"] = (item, _) => AutoscalerCells.Targets(item),
        ["eventLastSeen"] = (item, now) => EventCells.LastSeen(item, now),
        ["eventFirstSeen"] = (item, now) => EventCells.FirstSeen(item, now),
        ["eventObject"] = (item, _) => EventCells.Object(item),
        ["eventSource"] = (item, _) => EventCells.Source(item),
        ["eventMessage"] = (item, _) => EventCells.Message(item),
        ["quotaRequests"] = (item, _) => QuotaCells.Usage(item, limits: false),
        ["quotaLimits"] = (item, _) => QuotaCells.Usage(item, limits: true),
        ["phaseOrTerminating"] = (item, _) => item.Find("metadata", "deletionTimestamp") is null ? CellFormulas.Text(item.Find("status", "phase")) : "Terminating",
        ["volumeAccessModes"] = (item, _) => AccessModes(item.Find("spec", "accessModes")),
        ["claimAccessModes"] = (item, _) => item.Find("spec", "volumeName") is null ? "" : AccessModes(item.Find("status", "accessModes")),
        ["claimCapacity"] = (item, _) => item.Find("spec", "volumeName") is null ? "" : CellFormulas.Text(item.Find("status", "capacity", "storage")),
        ["storageClassName"] = (item, _) => item.Find("metadata", "annotations", "volume.beta.kubernetes.io/storage-class")?.AsString()
            ?? CellFormulas.Text(item.Find("spec", "storageClassName")),
        ["defaultClassName"] = (item, _) => CellFormulas.Text(item.Find("metadata", "name")) + (IsDefaultClass(item) ? " (default)" : ""),
        ["bindingUsers"] = (item, _) => Subjects(item, "User"),
        ["bindingGroups"] = (item, _) => Subjects(item, "Group"),
        ["bindingServiceAccounts"] = (item, _) => Subjects(item, "ServiceAccount"),
        ["signingRequestCondition"] = (item, _) => SigningRequestCondition(item),
        ["requestedDuration"] = (item, _) => item.Find("spec", "expirationSeconds")?.AsInt64() is { } seconds ? HumanDuration.Format(TimeSpan.FromSeconds(seconds)) : None,
        ["apiService"] = (item, _) => item.Find("spec", "service") is ApiObject service ? $"{service.GetString("namespace")}/{service.GetString("name")}" : "Local",
        ["apiServiceAvailable"] = (item, _) => ApiServiceAvailable(item),
        ["componentStatus"] = (item, _) => Condition(item["conditions"]?.AsArray(), "Healthy")?.GetString("status") switch { "True" => "Healthy", "False" => "Unhealthy", _ => "Unknown" },
        ["revisionController"] = (item, _) => RevisionController(item),
        ["parentRef"] = (item, _) => ParentRef(item),
        ["paramRef"] = (item, _) => ParamRef(item),
        ["claimState"] = (item, _) => ClaimState(item),
    };

    /// <summary>The formula of that name.</summary>
    /// <exception cref="InvalidOperationException">columns.json names a formula that is not here.</exception>
    public static CellFormula Find(string name) =>
        Formulas.TryGetValue(name, out var formula) ? formula : throw new InvalidOperationException($"Printer column with unknown formula {name}");

    /// <summary>The condition of a type.</summary>
    internal static ApiObject? Condition(ApiArray? conditions, string type) => conditions?.Objects.FirstOrDefault(c => c.GetString("type") == type);

    /// <summary>A number's text; 0 when missing.</summary>
    internal static string Number(ApiNode? node) => (node?.AsInt64() ?? 0).ToString(CultureInfo.InvariantCulture);

    /// <summary>The first values joined, with a note of how many more there are.</summary>
    internal static string FirstOf(IReadOnlyList<string> values, int max, string whenEmpty) => values.Count switch
    {
        0 => whenEmpty,
        _ when values.Count > max => string.Create(CultureInfo.InvariantCulture, $"{string.Join(',', values.Take(max))} + {values.Count - max} more..."),
        _ => string.Join(',', values),
    };

    private static string AccessModes(ApiNode? modes) => string.Join(',', (modes?.AsArray()?.Strings ?? []).Distinct().Select(m => m switch
    {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => m,
    }));

    private static bool IsDefaultClass(ApiObject item)
    {
        var annotations = item.Find("metadata", "annotations")?.AsObject();
        return annotations?.GetString("storageclass.kubernetes.io/is-default-class") == "true"
            || annotations?.GetString("ingressclass.kubernetes.io/is-default-class") == "true";
    }

    private static string IngressClassParameters(ApiObject item)
    {
        if (item.Find("spec", "parameters") is not ApiObject parameters)
        {
            return None;
        }

        var group = parameters.GetString("apiGroup") is { Length: > 0 } g ? "." + g : "";
        return $"{parameters.GetString("kind")}{group}/{parameters.GetString("name")}";
    }

    private static string Subjects(ApiObject binding, string kind) =>
        string.Join(", ", (binding.GetArray("subjects")?.Objects ?? [])
            .Where(s => s.GetString("kind") == kind)
            .Select(s => kind == "ServiceAccount" ? $"{s.GetString("namespace")}/{s.GetString("name")}" : s.GetString("name")));

    private static string SigningRequestCondition(ApiObject item)
    {
        var conditions = item.Find("status", "conditions")?.AsArray();
        var status = Condition(conditions, "Denied") is not null ? "Denied" : Condition(conditions, "Approved") is not null ? "Approved" : "Pending";
        status += Condition(conditions, "Failed") is not null ? ",Failed" : "";
        return status + (item.Find("status", "certificate")?.AsString() is { Length: > 0 } ? ",Issued" : "");
    }

    private static string ApiServiceAvailable(ApiObject item)
    {
        if (Condition(item.Find("status", "conditions")?.AsArray(), "Available") is not { } condition)
        {
            return "Unknown";
        }

        return condition.GetString("status") == "True" ? "True" : $"{condition.GetString("status")} ({condition.GetString("reason")})";
    }

    private static string RevisionController(ApiObject item)
    {
        var owner = item.Find("metadata", "ownerReferences")?.AsArray()?.Objects.FirstOrDefault(o => o.GetBoolean("controller") == true);
        if (owner is null)
        {
            return None;
        }

        var group = Schema.GroupVersion.Of(owner.GetString("apiVersion") ?? "").Group;
#pragma warning disable CA1308 // Kubernetes shows kinds in lower case here.
        return new Schema.GroupKind(group, owner.GetString("kind")?.ToLowerInvariant() ?? "") + "/" + owner.GetString("name");
#pragma warning restore CA1308
    }

    private static string ParentRef(ApiObject item)
    {
        if (item.Find("spec", "parentRef") is not ApiObject parent)
        {
            return None;
        }

        var resource = new Schema.GroupResource(parent.GetString("group") ?? "", parent.GetString("resource") ?? "").ToString();
        var ns = parent.GetString("namespace") is { Length: > 0 } n ? n + "/" : "";
        return $"{resource}/{ns}{parent.GetString("name")}";
    }

    private static string ParamRef(ApiObject item)
    {
        if (item.Find("spec", "paramRef") is not ApiObject reference)
        {
            return Unset;
        }

        var ns = reference.GetString("namespace") is { Length: > 0 } n ? n : "*";
        return ns + "/" + (reference.GetString("name") ?? CellFormulas.FormatSelector(reference["selector"]));
    }

    private static string ClaimState(ApiObject item)
    {
        if (item.Find("metadata", "deletionTimestamp") is not null)
        {
            return "deleted" + (item.Find("status", "allocation") is null ? "" : ",allocated") + Reserved(item);
        }

        return item.Find("status", "allocation") is null ? "pending" : "allocated" + Reserved(item);
    }

    private static string Reserved(ApiObject item) => item.Find("status", "reservedFor") is ApiArray { Count: > 0 } ? ",reserved" : "";
}
