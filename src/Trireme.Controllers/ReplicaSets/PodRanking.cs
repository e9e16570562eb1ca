using System.Globalization;
using Trireme.Api.Models.Core.V1;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.ReplicaSets;

/// <summary>Which pods to give up first when there are too many.</summary>
/// <remarks>
/// In this order: not on a node before on one; pending, then unknown, then running; not ready before ready; lower deletion cost
/// (KEP-2255); more siblings on its node; ready for a shorter time; more restarts; younger. Times are compared by orders of magnitude (KEP-2185), so that
/// nearly equal ones are chosen among by uid, which is as good as chance.
/// </remarks>
public static class PodRanking
{
    private const string DeletionCost = "controller.kubernetes.io/pod-deletion-cost";

    /// <summary>The <paramref name="count"/> pods to delete.</summary>
    public static List<Pod> LeastValuable(IReadOnlyCollection<Pod> pods, IReadOnlyDictionary<string, int> siblingsPerNode, int count, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(pods);
        if (count >= pods.Count)
        {
            return [.. pods];
        }

        return
        [
            .. pods
                .OrderBy(p => string.IsNullOrEmpty(p.Spec?.NodeName) ? 0 : 1)
                .ThenBy(p => p.Status?.Phase switch { PodPhase.Pending => 0, PodPhase.Unknown => 1, PodPhase.Running => 2, _ => 0 })
                .ThenBy(p => p.IsReady() ? 1 : 0)
                .ThenBy(Cost)
                .ThenByDescending(p => p.Spec?.NodeName is { Length: > 0 } node ? siblingsPerNode.GetValueOrDefault(node) : 0)
                .ThenBy(p => Magnitude(p.Condition("Ready")?.LastTransitionTime, now))
                .ThenByDescending(p => p.Status?.ContainerStatuses?.Select(c => c.RestartCount).DefaultIfEmpty().Max() ?? 0)
                .ThenBy(p => Magnitude(p.Metadata.CreationTimestamp, now))
                .ThenBy(p => p.Metadata.Uid, StringComparer.Ordinal)
                .Take(count),
        ];
    }

    private static int Cost(Pod pod) =>
        pod.Metadata.Annotations?.TryGetValue(DeletionCost, out var text) == true
        && int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var cost)
            ? cost
            : 0;

    private static int Magnitude(DateTimeOffset? since, DateTimeOffset now) =>
        since is { } time && now > time ? (int)Math.Log2((now - time).TotalSeconds + 1) : 0;
}
