using System.Globalization;
using Trireme.Api;
using Trireme.Api.Documents;

namespace Trireme.ApiServer.Admission;

/// <summary>Reads and sums the resources of containers.</summary>
internal static class PodResources
{
    /// <summary>A quantity under a name; null when there is none.</summary>
    public static decimal? Read(ApiObject? quantities, string name)
    {
        var node = quantities?[name];
        var text = node?.AsString() ?? node?.AsInt64()?.ToString(CultureInfo.InvariantCulture);
        return text is not null && Quantity.TryParse(text, out var value) ? value : null;
    }

    /// <summary>
    /// What a pod asks for in all: its containers and sidecars together, or the largest of its other init containers if that is more (KEP-753).
    /// </summary>
    /// <param name="spec">The pod's spec.</param>
    /// <param name="list"><c>requests</c> or <c>limits</c>.</param>
    /// <param name="resource">For example <c>cpu</c>.</param>
    public static decimal Sum(ApiObject? spec, string list, string resource)
    {
        var running = 0m;
        foreach (var container in spec?.GetArray("containers")?.Objects ?? [])
        {
            running += Read(Resources(container, list), resource) ?? 0;
        }

        decimal sidecars = 0, starting = 0;
        foreach (var container in spec?.GetArray("initContainers")?.Objects ?? [])
        {
            var value = Read(Resources(container, list), resource) ?? 0;
            if (container.GetString("restartPolicy") == "Always")
            {
                sidecars += value;
                starting = Math.Max(starting, sidecars);
            }
            else
            {
                starting = Math.Max(starting, sidecars + value);
            }
        }

        return Math.Max(running + sidecars, starting) + (Read(spec?.GetObject("overhead"), resource) ?? 0);
    }

    /// <summary>The requests or limits of a container.</summary>
    public static ApiObject? Resources(ApiObject container, string list) => container.GetObject("resources")?.GetObject(list);
}
