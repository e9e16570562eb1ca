using System.Globalization;
using Trireme.Api;
using Trireme.Api.Models.Apps.V1;

namespace Trireme.Controllers.Deployments;

/// <summary>How many replicas which ReplicaSet of a Deployment may have: numbers in, numbers out.</summary>
internal static class RolloutMath
{
    private static readonly IntOrString _quarter = "25%";

    public static int Replicas(this Deployment deployment) => deployment.Spec?.Replicas ?? 1;

    public static int Replicas(this ReplicaSet replicaSet) => replicaSet.Spec?.Replicas ?? 1;

    /// <summary>
    /// Available replicas that a ReplicaSet will keep. Its status is a report of the past: one that was just shrunk still counts those that it is giving up,
    /// and who relied on them would give them up twice.
    /// </summary>
    public static int AvailableReplicas(this ReplicaSet replicaSet) => Math.Min(replicaSet.Status?.AvailableReplicas ?? 0, replicaSet.Replicas());

    public static bool IsRollingUpdate(this Deployment deployment) => deployment.Spec?.Strategy?.Type is not DeploymentStrategyType.Recreate;

    /// <summary>Pods that there may be beyond what is asked for.</summary>
    public static int MaxSurge(this Deployment deployment) => deployment.IsRollingUpdate()
        ? (deployment.Spec?.Strategy?.RollingUpdate?.MaxSurge ?? _quarter).Scaled(deployment.Replicas(), roundUp: true)
        : 0;

    /// <summary>Pods that may be unavailable; at least one when no surge is allowed, or nothing could ever move.</summary>
    public static int MaxUnavailable(this Deployment deployment)
    {
        if (!deployment.IsRollingUpdate() || deployment.Replicas() == 0)
        {
            return 0;
        }

        var unavailable = (deployment.Spec?.Strategy?.RollingUpdate?.MaxUnavailable ?? _quarter).Scaled(deployment.Replicas(), roundUp: false);
        if (unavailable == 0 && deployment.MaxSurge() == 0)
        {
            unavailable = 1;
        }

        return Math.Min(unavailable, deployment.Replicas());
    }

    /// <summary>Size of the new ReplicaSet: as large as asked for, as far as the surge allows beside the old ones.</summary>
    public static int NewReplicaSetSize(Deployment deployment, IEnumerable<ReplicaSet> all, int currentSize)
    {
        if (!deployment.IsRollingUpdate())
        {
            return deployment.Replicas();
        }

        var room = deployment.Replicas() + deployment.MaxSurge() - all.Sum(Replicas);
        return room <= 0 ? currentSize : currentSize + Math.Min(room, deployment.Replicas() - currentSize);
    }

    /// <summary>
    /// Sizes after scaling a Deployment in the middle of a rollout: what is added or taken is spread in proportion to the sizes,
    /// so that a bad new template does not get all new pods.
    /// </summary>
    /// <param name="deployment">With the size that is asked for.</param>
    /// <param name="active">ReplicaSets that have replicas.</param>
    public static Dictionary<string, int> Proportional(Deployment deployment, IReadOnlyList<ReplicaSet> active)
    {
        var allowed = deployment.Replicas() > 0 ? deployment.Replicas() + deployment.MaxSurge() : 0;
        var toAdd = allowed - active.Sum(Replicas);

        // Growing favours the newer of equally large ones, shrinking the older.
        var ordered = active.OrderByDescending(Replicas);
        var sorted = (toAdd > 0
            ? ordered.ThenByDescending(r => r.Metadata.CreationTimestamp)
            : ordered.ThenBy(r => r.Metadata.CreationTimestamp)).ToList();
        var sizes = new Dictionary<string, int>(StringComparer.Ordinal);
        var added = 0;
        foreach (var replicaSet in sorted)
        {
            var share = toAdd == 0 ? 0 : Share(deployment, replicaSet, toAdd, added);
            sizes[replicaSet.Metadata.Name!] = replicaSet.Replicas() + share;
            added += share;
        }

        if (toAdd != 0 && sorted.Count > 0)
        {
            // What rounding left over goes to the largest.
            var largest = sorted[0].Metadata.Name!;
            sizes[largest] = Math.Max(0, sizes[largest] + toAdd - added);
        }

        return sizes;
    }

    private static int Share(Deployment deployment, ReplicaSet replicaSet, int toAdd, int added)
    {
        if (replicaSet.Replicas() == 0 || toAdd == added)
        {
            return 0;
        }

        var fraction = Fraction(deployment, replicaSet);
        return toAdd > 0 ? Math.Min(fraction, toAdd - added) : Math.Max(fraction, toAdd - added);
    }

    /// <summary>By how much a ReplicaSet would change if it kept its share of the whole.</summary>
    private static int Fraction(Deployment deployment, ReplicaSet replicaSet)
    {
        if (deployment.Replicas() == 0)
        {
            return -replicaSet.Replicas();
        }

        var before = replicaSet.Metadata.Annotations?.TryGetValue(Revisions.MaxReplicas, out var text) == true
            && int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var annotated) && annotated > 0
            ? annotated
            : deployment.Status?.Replicas ?? 0;
        if (before == 0)
        {
            return 0;
        }

        var after = (double)replicaSet.Replicas() * (deployment.Replicas() + deployment.MaxSurge()) / before;
        return (int)Math.Round(after, MidpointRounding.AwayFromZero) - replicaSet.Replicas();
    }
}
