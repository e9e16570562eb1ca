using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.DefaultPreemption;

/// <summary>A node and the pods that would have to go for the pod to fit there.</summary>
/// <param name="NodeName">The node.</param>
/// <param name="Victims">The most important first; never empty in practice, since the pod did not fit with all of them.</param>
/// <param name="BudgetViolations">How many of them a disruption budget protects.</param>
internal sealed record Candidate(string NodeName, IReadOnlyList<PodInfo> Victims, int BudgetViolations)
{
    /// <summary>The more important first: higher priority, then longer running.</summary>
    public static int ByImportance(PodInfo left, PodInfo right)
    {
        var byPriority = right.Priority.CompareTo(left.Priority);
        return byPriority != 0 ? byPriority : StartTime(left).CompareTo(StartTime(right));
    }

    /// <summary>
    /// The node that hurts least: fewest budget violations, then the lowest top priority, lowest sum of priorities, fewest victims, and the most
    /// recently started top victim.
    /// </summary>
    public static Candidate Best(IReadOnlyList<Candidate> candidates) =>
        candidates
            .OrderBy(c => c.BudgetViolations)
            .ThenBy(c => c.Victims.Count == 0 ? int.MinValue : c.Victims[0].Priority)
            .ThenBy(c => c.Victims.Sum(v => (long)v.Priority + int.MaxValue + 1))
            .ThenBy(c => c.Victims.Count)
            .ThenByDescending(c => EarliestStartOfTop(c.Victims))
            .First();

    private static DateTimeOffset EarliestStartOfTop(IReadOnlyList<PodInfo> victims) =>
        victims.Count == 0 ? DateTimeOffset.MaxValue : victims.Where(v => v.Priority == victims[0].Priority).Min(StartTime);

    /// <summary>A pod that has not started counts as the latest.</summary>
    private static DateTimeOffset StartTime(PodInfo pod) => pod.Pod.Status?.StartTime ?? DateTimeOffset.MaxValue;
}
