using System.Globalization;
using Trireme.Api.Documents;

namespace Trireme.Api.Tables;

/// <summary>Cells of horizontal pod autoscalers.</summary>
internal static class AutoscalerCells
{
    private const string Unknown = "<unknown>";

    public static string Targets(ApiObject autoscaler)
    {
        var metrics = autoscaler.Find("spec", "metrics")?.AsArray()?.Objects.ToList() ?? [];
        if (metrics.Count == 0)
        {
            // autoscaling/v1 knows CPU only.
            return autoscaler.Find("spec", "targetCPUUtilizationPercentage")?.AsInt64() is { } target
                ? $"cpu: {Percent(autoscaler.Find("status", "currentCPUUtilizationPercentage"))}/{target}%"
                : "<none>";
        }

        var current = autoscaler.Find("status", "currentMetrics")?.AsArray();
        var texts = metrics.Select((m, i) => Describe(m, i < (current?.Count ?? 0) ? current![i] : null)).ToList();
        return texts.Count > 2
            ? string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", texts.Take(2))} + {texts.Count - 2} more...")
            : string.Join(", ", texts);
    }

    private static string Describe(ApiObject metric, ApiNode? current)
    {
        var (field, isNamed) = metric.GetString("type") switch
        {
            "Resource" => ("resource", true),
            "ContainerResource" => ("containerResource", true),
            "Pods" => ("pods", false),
            "Object" => ("object", false),
            "External" => ("external", false),
            _ => ("", false),
        };
        if (metric[field] is not ApiObject spec)
        {
            return "<unknown type>";
        }

        var now = current?.Find(field, "current");
        var target = spec.GetObject("target") ?? [];
        string text;
        if (target["averageUtilization"] is { } utilization)
        {
            text = $"{Percent(now?["averageUtilization"])}/{CellFormulas.Text(utilization)}%";
        }
        else if (target["averageValue"] is { } average)
        {
            text = $"{Value(now?["averageValue"])}/{CellFormulas.Text(average)}" + (isNamed || field == "pods" ? "" : " (avg)");
        }
        else
        {
            text = $"{Value(now?["value"])}/{CellFormulas.Text(target["value"])}";
        }

        return isNamed ? $"{spec.GetString("name")}: {text}" : text;
    }

    private static string Percent(ApiNode? node) => node?.AsInt64() is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value}%") : Unknown;

    private static string Value(ApiNode? node) => node is null ? Unknown : CellFormulas.Text(node);
}
