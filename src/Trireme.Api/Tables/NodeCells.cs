using Trireme.Api.Documents;

namespace Trireme.Api.Tables;

/// <summary>Cells of nodes.</summary>
internal static class NodeCells
{
    private const string RolePrefix = "node-role.kubernetes.io/";

    public static string Status(ApiObject node)
    {
        var status = ComputedCells.Condition(node.Find("status", "conditions")?.AsArray(), "Ready")?.GetString("status") switch
        {
            "True" => "Ready",
            null => "Unknown",
            _ => "NotReady",
        };
        return node.Find("spec", "unschedulable")?.AsBoolean() == true ? status + ",SchedulingDisabled" : status;
    }

    public static string Roles(ApiObject node)
    {
        var roles = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var (label, value) in node.Find("metadata", "labels")?.AsObject() ?? [])
        {
            if (label.StartsWith(RolePrefix, StringComparison.Ordinal) && label.Length > RolePrefix.Length)
            {
                roles.Add(label[RolePrefix.Length..]);
            }
            else if (label == "kubernetes.io/role" && value.AsString() is { Length: > 0 } role)
            {
                roles.Add(role);
            }
        }

        return roles.Count == 0 ? "<none>" : string.Join(',', roles);
    }

    public static string Kernel(ApiObject node)
    {
        var info = node.Find("status", "nodeInfo")?.AsObject();
        if (info?.GetString("kernelVersion") is not { Length: > 0 } version)
        {
            return "<unknown>";
        }

        return info.GetString("architecture") is { Length: > 0 } architecture ? $"{version} ({architecture})" : version;
    }
}
