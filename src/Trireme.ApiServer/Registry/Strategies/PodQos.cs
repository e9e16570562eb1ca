using Trireme.Api;
using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Quality of service of a pod, from what its containers request: who is evicted first when a node runs out.</summary>
internal static class PodQos
{
    private static readonly string[] s_resources = ["cpu", "memory"];

    /// <summary>Guaranteed when every container limits and requests the same cpu and memory, BestEffort when none asks for any, else Burstable.</summary>
    public static string ClassOf(ApiObject? spec)
    {
        var any = false;
        var guaranteed = true;
        foreach (var container in Containers(spec))
        {
            var requests = container.GetObject("resources")?.GetObject("requests");
            var limits = container.GetObject("resources")?.GetObject("limits");
            foreach (var resource in s_resources)
            {
                var request = Read(requests, resource);
                var limit = Read(limits, resource);
                any |= request > 0 || limit > 0;
                guaranteed &= limit > 0 && (request == 0 || request == limit);
            }
        }

        return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
    }

    private static IEnumerable<ApiObject> Containers(ApiObject? spec) =>
        (spec?.GetArray("initContainers")?.Objects ?? []).Concat(spec?.GetArray("containers")?.Objects ?? []);

    private static decimal Read(ApiObject? quantities, string name)
    {
        var node = quantities?[name];
        var text = node?.AsString() ?? node?.AsInt64()?.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return text is not null && Quantity.TryParse(text, out var value) ? value : 0;
    }
}
