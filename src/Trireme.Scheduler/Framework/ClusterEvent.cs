namespace Trireme.Scheduler.Framework;

/// <summary>What kind of object changed.</summary>
internal enum EventResource
{
    /// <summary>Any; used when the cause is unknown, for example after a change that has no finer name.</summary>
    Any,

    /// <summary>A pod that is assigned to a node.</summary>
    AssignedPod,

    /// <summary>A pod that waits, itself or another.</summary>
    PendingPod,
    Node,
    Namespace,
    PodDisruptionBudget,
    Workload,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
}

/// <summary>What changed about it.</summary>
[Flags]
internal enum EventAction
{
    None = 0,
    Add = 1 << 0,
    Delete = 1 << 1,
    UpdateNodeAllocatable = 1 << 2,
    UpdateNodeLabel = 1 << 3,
    UpdateNodeTaint = 1 << 4,
    UpdateNodeCondition = 1 << 5,
    UpdatePodLabel = 1 << 6,
    UpdatePodScaleDown = 1 << 7,
    UpdatePodToleration = 1 << 8,
    UpdatePodSchedulingGatesEliminated = 1 << 9,
    UpdateOther = 1 << 10,
    UpdateNode = UpdateNodeAllocatable | UpdateNodeLabel | UpdateNodeTaint | UpdateNodeCondition,
    All = (1 << 11) - 1,
}

/// <summary>A change that might let a pod be scheduled that could not be before.</summary>
internal readonly record struct ClusterEvent(EventResource Resource, EventAction Action)
{
    public bool Covers(ClusterEvent occurred) =>
        (Resource == EventResource.Any || occurred.Resource == EventResource.Any || Resource == occurred.Resource)
        && (Action & occurred.Action) != EventAction.None;

    public override string ToString() => $"{Resource}{Action}";
}

/// <summary>An event with the objects before and after it; those that do not apply are null.</summary>
internal readonly record struct ClusterChange(
    ClusterEvent Event,
    PodInfo? OldPod = null,
    PodInfo? NewPod = null,
    NodeInfo? OldNode = null,
    NodeInfo? NewNode = null);

/// <summary>Whether a change is worth another try for a pod that the plugin refused.</summary>
internal enum QueueingHint
{
    Skip,
    Queue,
}

/// <summary>Answers for one pod and one change; must be cheap, it is asked under the queue's lock.</summary>
internal delegate QueueingHint QueueingHintFunction(PodInfo pod, in ClusterChange change);

/// <summary>An event that a plugin waits for; without a function every such event is worth a try.</summary>
internal readonly record struct ClusterEventWithHint(ClusterEvent Event, QueueingHintFunction? Hint = null);
