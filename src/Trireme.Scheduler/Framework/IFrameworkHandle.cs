using Trireme.Api.Models.Policy.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>What a plugin may ask of the framework that runs it.</summary>
internal interface IFrameworkHandle
{
    Nominator Nominator { get; }

    /// <summary>Whether the pod would fit on the node as given, pods nominated for the node included.</summary>
    SchedulingStatus RunFiltersWithNominatedPods(CycleState state, PodInfo pod, NodeInfo node);

    void RunPreFilterAddPod(CycleState state, PodInfo podToSchedule, PodInfo podToAdd, NodeInfo node);

    void RunPreFilterRemovePod(CycleState state, PodInfo podToSchedule, PodInfo podToRemove, NodeInfo node);
}

/// <summary>What plugins know of the cluster beside nodes and pods. Answers come from memory and may be a moment old.</summary>
internal interface IClusterLister
{
    /// <summary>Labels of a namespace; null when it is not known.</summary>
    Dictionary<string, string>? NamespaceLabels(string @namespace);

    /// <summary>The budgets of a namespace.</summary>
    IEnumerable<PodDisruptionBudget> PodDisruptionBudgets(string @namespace);

    /// <summary>
    /// Matches the pods that belong together with this one: those of its services and of the ReplicaSet, StatefulSet or ReplicationController that owns it.
    /// <see cref="LabelMatcher.Nothing"/> when it belongs to none.
    /// </summary>
    LabelMatcher DefaultSelector(PodInfo pod);
}

/// <summary>A cluster with nothing but nodes and pods.</summary>
internal sealed class EmptyClusterLister : IClusterLister
{
    public Dictionary<string, string>? NamespaceLabels(string @namespace) => null;

    public IEnumerable<PodDisruptionBudget> PodDisruptionBudgets(string @namespace) => [];

    public LabelMatcher DefaultSelector(PodInfo pod) => LabelMatcher.Nothing;
}
