using System.Globalization;
using System.Text;
using Trireme.Api;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>Fields of a pod and resources of its containers as text, for environment variables and downwardAPI volumes.</summary>
public static class DownwardApi
{
    /// <summary>The value of a field such as <c>metadata.name</c> or <c>metadata.labels['app']</c>.</summary>
    /// <param name="pod">The pod; its status carries the addresses.</param>
    /// <param name="fieldPath">Path as in fieldRef.</param>
    /// <exception cref="ContainerConfigException">The path names no field that may be used.</exception>
    public static string Field(Pod pod, string fieldPath)
    {
        if (Subscript(fieldPath, "metadata.labels") is { } label)
        {
            return pod.Metadata.Labels?.GetValueOrDefault(label) ?? "";
        }

        if (Subscript(fieldPath, "metadata.annotations") is { } annotation)
        {
            return pod.Metadata.Annotations?.GetValueOrDefault(annotation) ?? "";
        }

        return fieldPath switch
        {
            "metadata.name" => pod.Name(),
            "metadata.namespace" => pod.Namespace(),
            "metadata.uid" => pod.Uid(),
            "metadata.labels" => Map(pod.Metadata.Labels),
            "metadata.annotations" => Map(pod.Metadata.Annotations),
            "spec.nodeName" => pod.Spec?.NodeName ?? "",
            "spec.serviceAccountName" => pod.Spec?.ServiceAccountName ?? "",
            "status.hostIP" => pod.Status?.HostIP ?? "",
            "status.hostIPs" => string.Join(",", pod.Status?.HostIPs?.Select(ip => ip.Ip) ?? []),
            "status.podIP" => pod.Status?.PodIP ?? "",
            "status.podIPs" => string.Join(",", pod.Status?.PodIPs?.Select(ip => ip.Ip) ?? []),
            _ => throw new ContainerConfigException($"unsupported fieldPath: {fieldPath}"),
        };
    }

    /// <summary>A container's request or limit in units of the divisor, rounded up; a limit that is not set is the node's allocatable amount.</summary>
    /// <exception cref="ContainerConfigException">The container or the resource does not exist.</exception>
    public static string Resource(Pod pod, string? containerName, ResourceFieldSelector selector, IReadOnlyDictionary<string, Quantity> allocatable)
    {
        var container = pod.AllContainers().FirstOrDefault(c => c.Name == (selector.ContainerName is { Length: > 0 } n ? n : containerName))
            ?? throw new ContainerConfigException($"container {selector.ContainerName} not found");
        var (kind, name) = (selector.Resource ?? "").Split('.', 2) is [var k, var r] ? (k, r) : ("", "");
        decimal amount = 0;
        switch (kind)
        {
            case "limits":
                amount = container.Resources?.Limits?.TryGetValue(name, out var limit) == true
                    ? limit.Value
                    : allocatable.TryGetValue(name, out var whole) ? whole.Value : 0;
                break;
            case "requests":
                amount = container.Resources?.Requests?.TryGetValue(name, out var request) == true ? request.Value : 0;
                break;
            default:
                throw new ContainerConfigException($"unsupported container resource: {selector.Resource}");
        }

        var divisor = selector.Divisor is { } d && d.Value > 0 ? d.Value : 1;
        return decimal.Ceiling(amount / divisor).ToString(CultureInfo.InvariantCulture);
    }

    private static string? Subscript(string path, string field) =>
        path.Length > field.Length + 4 && path.StartsWith(field + "['", StringComparison.Ordinal) && path.EndsWith("']", StringComparison.Ordinal)
            ? path[(field.Length + 2)..^2]
            : null;

    /// <summary>One <c>key="value"</c> per line, sorted, values quoted so that each stays on its line.</summary>
    private static string Map(Dictionary<string, string>? map)
    {
        if (map is null)
        {
            return "";
        }

        var text = new StringBuilder();
        foreach (var (key, value) in map.OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            if (text.Length > 0)
            {
                text.Append('\n');
            }

            text.Append(key).Append("=\"");
            foreach (var c in value)
            {
                _ = c switch
                {
                    '"' => text.Append("\\\""),
                    '\\' => text.Append("\\\\"),
                    '\n' => text.Append("\\n"),
                    '\r' => text.Append("\\r"),
                    '\t' => text.Append("\\t"),
                    _ => text.Append(c),
                };
            }

            text.Append('"');
        }

        return text.ToString();
    }
}
