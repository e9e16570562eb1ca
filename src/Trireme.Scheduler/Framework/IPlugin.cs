using Trireme.Scheduler.Cache;

namespace Trireme.Scheduler.Framework;

/// <summary>A part of the scheduling decision. It takes part in the extension points whose interfaces it implements.</summary>
/// <remarks>
/// Extension points run in this order: PreEnqueue, QueueSort, PreFilter, Filter, PostFilter (only if no node fits), PreScore, Score, NormalizeScores, Reserve,
/// PreBind, Bind. All up to Reserve run on the scheduling thread, one pod at a time; PreBind and Bind run concurrently for many pods. Plugins keep
/// no state between pods but what they need to answer, and none that belongs to a pod: that is in <see cref="CycleState"/>.
/// </remarks>
internal interface IPlugin
{
    /// <summary>Upstream's name, as in a scheduler configuration and in messages.</summary>
    string Name { get; }
}

/// <summary>Decides whether a pod may enter the active queue at all.</summary>
internal interface IPreEnqueuePlugin : IPlugin
{
    SchedulingStatus PreEnqueue(PodInfo pod);
}

/// <summary>Orders the active queue; exactly one plugin does.</summary>
internal interface IQueueSortPlugin : IPlugin
{
    /// <summary>Negative when <paramref name="left"/> is scheduled first.</summary>
    int Compare(Queue.QueuedPodInfo left, Queue.QueuedPodInfo right);
}

/// <summary>Names the events that can make a pod schedulable that the plugin refused.</summary>
internal interface IEnqueueExtensions : IPlugin
{
    IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; }
}

/// <summary>What PreFilter found.</summary>
/// <param name="Status">Success, Skip (do not call Filter), or a verdict for all nodes.</param>
/// <param name="NodeNames">The only nodes worth looking at; null for all.</param>
internal readonly record struct PreFilterResult(SchedulingStatus Status, HashSet<string>? NodeNames = null)
{
    public static readonly PreFilterResult Success = new(SchedulingStatus.Success);

    public static readonly PreFilterResult Skip = new(SchedulingStatus.Skip);
}

/// <summary>Looks at the pod once before nodes are filtered, and keeps what Filter needs.</summary>
internal interface IPreFilterPlugin : IPlugin
{
    PreFilterResult PreFilter(CycleState state, PodInfo pod, Snapshot snapshot);
}

/// <summary>Keeps the result of PreFilter true while pods are taken away from or put on a node by way of trial.</summary>
internal interface IPreFilterExtensions : IPlugin
{
    void AddPod(CycleState state, PodInfo podToSchedule, PodInfo podToAdd, NodeInfo node);

    void RemovePod(CycleState state, PodInfo podToSchedule, PodInfo podToRemove, NodeInfo node);
}

/// <summary>Decides whether the pod can run on a node.</summary>
internal interface IFilterPlugin : IPlugin
{
    SchedulingStatus Filter(CycleState state, PodInfo pod, NodeInfo node);
}

/// <summary>Tries to make room when no node fits.</summary>
internal interface IPostFilterPlugin : IPlugin
{
    PostFilterResult PostFilter(CycleState state, PodInfo pod, Diagnosis diagnosis);
}

/// <summary>Looks once at the nodes that fit before they are scored. Skip leaves the plugin out of the scores.</summary>
internal interface IPreScorePlugin : IPlugin
{
    SchedulingStatus PreScore(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot);
}

/// <summary>Ranks the nodes that fit.</summary>
internal interface IScorePlugin : IPlugin
{
    long Score(CycleState state, PodInfo pod, NodeInfo node);

    /// <summary>Brings the scores of all nodes into 0 to 100; the default leaves them.</summary>
    void NormalizeScores(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Span<long> scores)
    {
    }
}

/// <summary>Is told that the pod was given a node, and undoes it when binding fails.</summary>
internal interface IReservePlugin : IPlugin
{
    SchedulingStatus Reserve(CycleState state, PodInfo pod, string nodeName);

    /// <summary>Must not fail, and may be called without a Reserve before it.</summary>
    void Unreserve(CycleState state, PodInfo pod, string nodeName);
}

/// <summary>Does what must be done before the pod is bound, for example provisioning a volume.</summary>
internal interface IPreBindPlugin : IPlugin
{
    Task<SchedulingStatus> PreBindAsync(CycleState state, PodInfo pod, string nodeName, CancellationToken cancellationToken);
}

/// <summary>Binds the pod to its node. Skip leaves it to the next one.</summary>
internal interface IBindPlugin : IPlugin
{
    Task<SchedulingStatus> BindAsync(CycleState state, PodInfo pod, string nodeName, CancellationToken cancellationToken);
}

/// <summary>Bounds and common ways of normalizing scores.</summary>
internal static class NodeScore
{
    public const long Max = 100;

    /// <summary>Scales so that the highest score is 100, or, reversed, so that the lowest is best.</summary>
    public static void Normalize(Span<long> scores, bool reverse)
    {
        long max = 0;
        foreach (var score in scores)
        {
            max = Math.Max(max, score);
        }

        if (max == 0)
        {
            if (reverse)
            {
                scores.Fill(Max);
            }

            return;
        }

        for (var i = 0; i < scores.Length; i++)
        {
            var score = Max * scores[i] / max;
            scores[i] = reverse ? Max - score : score;
        }
    }
}
