using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry;

/// <summary>Autoscalers of <c>autoscaling/v1</c> know one metric, the cpu; they are stored as those of v2.</summary>
internal sealed class AutoscalerConverter : IVersionConverter
{
    /// <inheritdoc/>
    public void FromStored(ApiDocument obj)
    {
        obj.ApiVersion = "autoscaling/v1";
        if (obj.Spec is not { } spec)
        {
            return;
        }

        if (FindCpu(spec)?.GetObject("resource")?.GetObject("target")?.GetInt64("averageUtilization") is { } percentage)
        {
            spec.Set("targetCPUUtilizationPercentage", percentage);
        }

        spec.Remove("metrics");
        spec.Remove("behavior");
        if (obj.Status is { } status)
        {
            status.Remove("currentMetrics");
            status.Remove("conditions");
        }
    }

    /// <inheritdoc/>
    public void ToStored(ApiDocument obj)
    {
        obj.ApiVersion = "autoscaling/v2";
        if (obj.Spec is { } spec && spec.GetInt64("targetCPUUtilizationPercentage") is { } percentage)
        {
            spec.Remove("targetCPUUtilizationPercentage");
            spec.GetOrAddArray("metrics").Add(ApiNode.Parse(
                $$$"""{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":{{{percentage}}} } } }"""));
        }
    }

    private static ApiObject? FindCpu(ApiObject spec) =>
        spec.GetArray("metrics")?.Objects.FirstOrDefault(
            m => m.GetString("type") == "Resource" && m.GetObject("resource")?.GetString("name") == "cpu");
}
