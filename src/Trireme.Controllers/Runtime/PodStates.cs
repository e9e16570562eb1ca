using Trireme.Api.Models.Core.V1;

namespace Trireme.Controllers.Runtime;

/// <summary>Questions that many controllers ask about a pod.</summary>
public static class PodStates
{
    /// <summary>Neither ended nor about to end.</summary>
    public static bool IsActive(this Pod pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        return !pod.IsTerminal() && pod.Metadata.DeletionTimestamp is null;
    }

    /// <summary>All containers have ended for good.</summary>
    public static bool IsTerminal(this Pod pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        return pod.Status?.Phase is PodPhase.Succeeded or PodPhase.Failed;
    }

    public static PodCondition? Condition(this Pod pod, string type)
    {
        ArgumentNullException.ThrowIfNull(pod);
        return pod.Status?.Conditions?.Find(c => c.Type == type);
    }

    public static bool IsReady(this Pod pod) => pod.Condition("Ready")?.Status == "True";

    /// <summary>Ready for at least <paramref name="minReadySeconds"/>.</summary>
    public static bool IsAvailable(this Pod pod, int minReadySeconds, DateTimeOffset now) => pod.UntilAvailable(minReadySeconds, now) == TimeSpan.Zero;

    /// <summary>How long a ready pod must stay ready to be available; null when it is not ready.</summary>
    public static TimeSpan? UntilAvailable(this Pod pod, int minReadySeconds, DateTimeOffset now)
    {
        if (pod.Condition("Ready") is not { Status: "True" } ready)
        {
            return null;
        }

        if (minReadySeconds == 0)
        {
            return TimeSpan.Zero;
        }

        // Without a time of transition nothing is known: as upstream, it does not count as available.
        var left = (ready.LastTransitionTime ?? now) + TimeSpan.FromSeconds(minReadySeconds) - now;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
