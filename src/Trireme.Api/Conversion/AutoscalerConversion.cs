using Trireme.Api.Documents;

namespace Trireme.Api.Conversion;

/// <summary>
/// Autoscalers of version 1 know CPU only. What else version 2 says travels in annotations, so that a write in version 1 loses nothing.
/// </summary>
internal static class AutoscalerConversion
{
    private const string Metrics = "autoscaling.alpha.kubernetes.io/metrics";
    private const string CurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
    private const string Conditions = "autoscaling.alpha.kubernetes.io/conditions";
    private const string Behavior = "autoscaling.alpha.kubernetes.io/behavior";

    public static void ToVersion1(ApiDocument document)
    {
        if (document.Spec is { } spec)
        {
            if (TakeCpu(spec, "metrics", m => m.Find("resource", "target", "averageUtilization")) is { } target)
            {
                spec.Set("targetCPUUtilizationPercentage", target);
            }

            Stow(document, spec, "metrics", Metrics);
            Stow(document, spec, "behavior", Behavior);
        }

        if (document.Status is { } status)
        {
            if (TakeCpu(status, "currentMetrics", m => m.Find("resource", "current", "averageUtilization")) is { } current)
            {
                status.Set("currentCPUUtilizationPercentage", current);
            }

            Stow(document, status, "currentMetrics", CurrentMetrics);
            Stow(document, status, "conditions", Conditions);
        }
    }

    public static void ToVersion2(ApiDocument document)
    {
        var spec = document.Root.GetOrAddObject("spec");
        Fetch(document, spec, "metrics", Metrics);
        Fetch(document, spec, "behavior", Behavior);
        if (spec["targetCPUUtilizationPercentage"] is { } target)
        {
            spec.Remove("targetCPUUtilizationPercentage");
            spec.GetOrAddArray("metrics").Insert(0, Cpu("target", new ApiObject { { "type", "Utilization" }, { "averageUtilization", target } }));
        }

        if (document.Status is { } status)
        {
            Fetch(document, status, "currentMetrics", CurrentMetrics);
            Fetch(document, status, "conditions", Conditions);
            if (status["currentCPUUtilizationPercentage"] is { } current)
            {
                status.Remove("currentCPUUtilizationPercentage");
                status.GetOrAddArray("currentMetrics").Insert(0, Cpu("current", new ApiObject { { "averageUtilization", current } }));
            }
        }
    }

    private static ApiObject Cpu(string field, ApiObject value) =>
        new() { { "type", "Resource" }, { "resource", new ApiObject { { "name", "cpu" }, { field, value } } } };

    /// <summary>Takes the CPU utilization out of a list of metrics.</summary>
    private static ApiNode? TakeCpu(ApiObject owner, string field, Func<ApiObject, ApiNode?> utilization)
    {
        var metrics = owner.GetArray(field);
        for (var i = 0; i < (metrics?.Count ?? 0); i++)
        {
            if (metrics![i] is ApiObject metric && metric.GetString("type") == "Resource" && metric.Find("resource", "name")?.AsString() == "cpu"
                && utilization(metric) is { } value)
            {
                metrics.RemoveAt(i);
                return value;
            }
        }

        return null;
    }

    private static void Stow(ApiDocument document, ApiObject owner, string field, string annotation)
    {
        if (owner[field] is { } value && value is ApiArray { Count: > 0 } or ApiObject)
        {
            document.Metadata.SetAnnotation(annotation, value.ToString());
        }

        owner.Remove(field);
    }

    private static void Fetch(ApiDocument document, ApiObject owner, string field, string annotation)
    {
        if (document.Metadata.GetAnnotation(annotation) is not { } text)
        {
            return;
        }

        try
        {
            owner.Set(field, ApiNode.Parse(text));
        }
        catch (ApiDocumentException)
        {
            // Somebody wrote the annotation by hand: as upstream, what cannot be read is left out.
        }

        document.Metadata.Annotations!.Remove(annotation);
        if (document.Metadata.Annotations is { Count: 0 })
        {
            document.Metadata.Annotations = null;
        }
    }
}
