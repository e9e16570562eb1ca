using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;

namespace Trireme.Scheduler.Plugins.PrioritySort;

/// <summary>The most important pod first; among equals the one that waits longest.</summary>
internal sealed class PrioritySortPlugin : IQueueSortPlugin
{
    public string Name => "PrioritySort";

    public int Compare(QueuedPodInfo left, QueuedPodInfo right)
    {
        var byPriority = right.Pod.Priority.CompareTo(left.Pod.Priority);
        return byPriority != 0 ? byPriority : left.Timestamp.CompareTo(right.Timestamp);
    }
}
