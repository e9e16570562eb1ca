using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>A topology spread constraint, parsed.</summary>
/// <param name="MaxSkew">By how much the fullest domain may exceed the emptiest.</param>
/// <param name="TopologyKey">The node label whose values are the domains.</param>
/// <param name="Required">Whether a violation forbids a node (DoNotSchedule) or makes it less attractive.</param>
/// <param name="Selector">The pods that are counted, of the pod's own namespace.</param>
/// <param name="MinDomains">While there are fewer domains, the emptiest counts as empty.</param>
/// <param name="HonorAffinity">Whether nodes that the pod's node affinity excludes are left out of the count.</param>
/// <param name="HonorTaints">Whether nodes whose taints the pod does not tolerate are left out of the count.</param>
internal sealed record SpreadConstraint(
    int MaxSkew,
    string TopologyKey,
    bool Required,
    LabelMatcher Selector,
    int MinDomains,
    bool HonorAffinity,
    bool HonorTaints)
{
    public static SpreadConstraint Of(TopologySpreadConstraint constraint, Pod pod)
    {
        var selector = LabelMatcher.Of(constraint.LabelSelector);
        if (constraint.MatchLabelKeys is { } keys && pod.Metadata.Labels is { } labels)
        {
            selector = selector.And(
                [.. keys.Where(labels.ContainsKey).Select(k => new LabelRequirement(k, LabelOperator.In, [labels[k]]))]);
        }

        return new SpreadConstraint(
            constraint.MaxSkew,
            constraint.TopologyKey ?? "",
            constraint.WhenUnsatisfiable != UnsatisfiableConstraintAction.ScheduleAnyway,
            selector,
            constraint.MinDomains ?? 1,
            constraint.NodeAffinityPolicy != NodeInclusionPolicy.Ignore,
            constraint.NodeTaintsPolicy == NodeInclusionPolicy.Honor);
    }

    /// <summary>Whether pods on this node are counted for a pod with these demands.</summary>
    public bool Includes(PodInfo pod, NodeInfo node) =>
        (!HonorAffinity || pod.NodeAffinity.Matches(node))
        && (!HonorTaints || pod.Tolerations.FirstUntolerated(node.Taints) is null);

    /// <summary>How many pods of the node count.</summary>
    public int CountOn(NodeInfo node, string @namespace)
    {
        var count = 0;
        foreach (ref readonly var entry in node.PodGroups)
        {
            if (!entry.Group.Terminating && entry.Group.Namespace == @namespace && Selector.Matches(entry.Group.Labels))
            {
                count += entry.Count;
            }
        }

        return count;
    }
}
