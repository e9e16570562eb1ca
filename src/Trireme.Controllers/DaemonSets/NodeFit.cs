using System.Globalization;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Controllers.DaemonSets;

/// <summary>Whether a daemon's pod belongs on a node: by name, selector, required affinity and taints. Resources play no part.</summary>
internal static class NodeFit
{
    private const string NameField = "metadata.name";

    // A daemon stays through what drives other pods away; https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
    private static readonly (string Key, string Effect)[] _tolerated =
    [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];

    /// <summary>Whether a pod must be created on the node, and whether one that is there may stay.</summary>
    public static (bool Run, bool Continue) Decide(PodSpec spec, Node node)
    {
        if ((!string.IsNullOrEmpty(spec.NodeName) && spec.NodeName != node.Metadata.Name) || !Selects(spec, node))
        {
            return (false, false);
        }

        var tolerations = WithDaemonTolerations(spec);
        var untolerated = (node.Spec?.Taints ?? []).Where(t => t.Effect is "NoSchedule" or "NoExecute" && !tolerations.Exists(o => Tolerates(o, t))).ToList();
        return (untolerated.Count == 0, !untolerated.Exists(t => t.Effect == "NoExecute"));
    }

    public static List<Toleration> WithDaemonTolerations(PodSpec spec)
    {
        List<Toleration> all = [.. spec.Tolerations ?? []];
        var added = spec.HostNetwork ? _tolerated.Append(("node.kubernetes.io/network-unavailable", "NoSchedule")) : _tolerated;
        foreach (var (key, effect) in added)
        {
            if (!all.Exists(t => t.Key == key && t.Effect == effect && t.Operator == "Exists"))
            {
                all.Add(new Toleration { Key = key, Operator = "Exists", Effect = effect });
            }
        }

        return all;
    }

    /// <summary>Binds a pod to one node in a way that leaves the binding itself to the scheduler.</summary>
    public static void PinTo(PodSpec spec, string node)
    {
        var required = ((spec.Affinity ??= new Affinity()).NodeAffinity ??= new NodeAffinity()).RequiredDuringSchedulingIgnoredDuringExecution ??= new NodeSelector();
        required.NodeSelectorTerms = [new NodeSelectorTerm { MatchFields = [new NodeSelectorRequirement { Key = NameField, Operator = "In", Values = [node] }] }];
    }

    /// <summary>The node that a pod is on or is pinned to; null for neither.</summary>
    public static string? TargetOf(Pod pod)
    {
        if (!string.IsNullOrEmpty(pod.Spec?.NodeName))
        {
            return pod.Spec.NodeName;
        }

        var terms = pod.Spec?.Affinity?.NodeAffinity?.RequiredDuringSchedulingIgnoredDuringExecution?.NodeSelectorTerms ?? [];
        return terms.SelectMany(t => t.MatchFields ?? []).FirstOrDefault(f => f is { Key: NameField, Operator: "In", Values: [_] })?.Values![0];
    }

    private static bool Selects(PodSpec spec, Node node)
    {
        var labels = node.Metadata.Labels ?? [];
        if (!(spec.NodeSelector ?? []).All(s => labels.TryGetValue(s.Key, out var value) && value == s.Value))
        {
            return false;
        }

        var terms = spec.Affinity?.NodeAffinity?.RequiredDuringSchedulingIgnoredDuringExecution?.NodeSelectorTerms;
        return terms is null || terms.Exists(t =>
            (t.MatchExpressions?.Count ?? 0) + (t.MatchFields?.Count ?? 0) > 0
            && (t.MatchExpressions ?? []).TrueForAll(e => Matches(e, labels.GetValueOrDefault(e.Key ?? "")))
            && (t.MatchFields ?? []).TrueForAll(f => f.Key == NameField && Matches(f, node.Metadata.Name)));
    }

    private static bool Matches(NodeSelectorRequirement requirement, string? value)
    {
        var values = requirement.Values ?? [];
        return requirement.Operator switch
        {
            "In" => value is not null && values.Contains(value),
            "NotIn" => value is null || !values.Contains(value),
            "Exists" => value is not null,
            "DoesNotExist" => value is null,
            "Gt" => Numbers(value, values, out var left, out var right) && left > right,
            "Lt" => Numbers(value, values, out var left, out var right) && left < right,
            _ => false,
        };
    }

    private static bool Numbers(string? value, List<string> values, out long left, out long right)
    {
        right = 0;
        return long.TryParse(value, CultureInfo.InvariantCulture, out left) && values.Count == 1 && long.TryParse(values[0], CultureInfo.InvariantCulture, out right);
    }

    private static bool Tolerates(Toleration toleration, Taint taint) =>
        (string.IsNullOrEmpty(toleration.Effect) || toleration.Effect == taint.Effect)
        && (string.IsNullOrEmpty(toleration.Key) ? toleration.Operator == "Exists" : toleration.Key == taint.Key)
        && (toleration.Operator == "Exists" || (toleration.Value ?? "") == (taint.Value ?? ""));
}
