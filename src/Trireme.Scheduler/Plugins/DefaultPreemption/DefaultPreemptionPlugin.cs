using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.DefaultPreemption;

/// <summary>When no node fits, looks for a node where evicting less important pods would make the pod fit, hurting as little as possible.</summary>
/// <remarks>
/// (1) Is the pod allowed to preempt? (2) Which nodes could be helped by evictions? (3) For a sample of those: the fewest victims that suffice, respecting
/// disruption budgets if possible. (4) Choose the node. Nothing is evicted here: the victims are the result, and the pod is tried again once they are gone.
/// </remarks>
internal sealed class DefaultPreemptionPlugin(IFrameworkHandle framework, IClusterLister lister, Random random) : IPostFilterPlugin, IEnqueueExtensions
{
    /// <summary>Share of the nodes to try, in percent, and how many at least: a good victim is enough, the best is not needed.</summary>
    private const int MinCandidateNodesPercentage = 10;

    private const int MinCandidateNodesAbsolute = 100;

    private static readonly SchedulingStatus NoVictims =
        SchedulingStatus.Unresolvable("DefaultPreemption", "No preemption victims found for incoming pod");

    private static readonly SchedulingStatus NotHelpful =
        SchedulingStatus.Unresolvable("DefaultPreemption", "Preemption is not helpful for scheduling");

    public string Name => "DefaultPreemption";

    public IReadOnlyList<ClusterEventWithHint> EventsToRegister { get; } =
    [
        new(new ClusterEvent(EventResource.AssignedPod, EventAction.Delete)),
    ];

    public PostFilterResult PostFilter(CycleState state, PodInfo pod, Diagnosis diagnosis)
    {
        // (1)
        if (WhyNotEligible(pod, diagnosis) is { } reason)
        {
            return new PostFilterResult(SchedulingStatus.Unschedulable(Name, $"not eligible due to {reason}"));
        }

        // (2) and (3)
        var verdicts = new Diagnosis(diagnosis.Snapshot);
        var candidates = FindCandidates(state, pod, diagnosis, verdicts);
        if (candidates.Count == 0)
        {
            return new PostFilterResult(SchedulingStatus.Unschedulable(Name, verdicts.Message()), NominatedNodeName: "");
        }

        // (4)
        var best = Candidate.Best(candidates);
        return new PostFilterResult(SchedulingStatus.Success, best.NodeName, best.Victims);
    }

    /// <summary>Null when the pod may preempt.</summary>
    private string? WhyNotEligible(PodInfo pod, Diagnosis diagnosis)
    {
        if (pod.Pod.Spec?.PreemptionPolicy == PreemptionPolicy.Never)
        {
            return "preemptionPolicy=Never.";
        }

        var nominated = framework.Nominator.NodeOf(pod.Uid) ?? pod.NominatedNodeName;
        if (nominated is null || diagnosis.Snapshot.IndexOf(nominated) is var index && index < 0)
        {
            return null;
        }

        // A node that has meanwhile become impossible need not be waited for.
        if (diagnosis.NodeStatuses[index]?.Code == SchedulingCode.UnschedulableAndUnresolvable)
        {
            return null;
        }

        foreach (var other in diagnosis.Snapshot.Nodes[index].Pods)
        {
            if (other.Priority < pod.Priority && other.IsTerminating)
            {
                return "a terminating pod on the nominated node.";
            }
        }

        return null;
    }

    private List<Candidate> FindCandidates(CycleState state, PodInfo pod, Diagnosis diagnosis, Diagnosis verdicts)
    {
        var potential = new List<int>();
        for (var i = 0; i < diagnosis.NodeStatuses.Length; i++)
        {
            if (diagnosis.NodeStatuses[i]?.Code == SchedulingCode.Unschedulable)
            {
                potential.Add(i);
            }
            else
            {
                verdicts.Reject(i, NotHelpful);
            }
        }

        var candidates = new List<Candidate>();
        if (potential.Count == 0)
        {
            return candidates;
        }

        var wanted = Math.Min(potential.Count, Math.Max(potential.Count * MinCandidateNodesPercentage / 100, MinCandidateNodesAbsolute));
        var offset = random.Next(potential.Count);
        for (var i = 0; i < potential.Count && candidates.Count < wanted; i++)
        {
            var index = potential[(offset + i) % potential.Count];
            var node = diagnosis.Snapshot.Nodes[index];
            var (candidate, refusal) = SelectVictims(state.Clone(), pod, node.Clone());
            if (candidate is not null)
            {
                candidates.Add(candidate);
            }
            else
            {
                verdicts.Reject(index, refusal!);
            }
        }

        return candidates;
    }

    /// <summary>Takes every less important pod off the node; if that helps, puts back as many as possible, the most important first.</summary>
    private (Candidate? Candidate, SchedulingStatus? Refusal) SelectVictims(CycleState state, PodInfo pod, NodeInfo node)
    {
        var potential = new List<PodInfo>();
        foreach (var other in node.Pods.ToArray())
        {
            if (other.Priority < pod.Priority)
            {
                potential.Add(other);
                Remove(other);
            }
        }

        if (potential.Count == 0)
        {
            return (null, NoVictims);
        }

        var status = framework.RunFiltersWithNominatedPods(state, pod, node);
        if (!status.IsSuccess)
        {
            return (null, status);
        }

        potential.Sort(Candidate.ByImportance);
        var (violating, nonViolating) = DisruptionBudgets.Split(potential, lister);
        var victims = new List<PodInfo>();
        var violations = 0;
        foreach (var other in violating)
        {
            violations += Reprieve(other) ? 0 : 1;
        }

        foreach (var other in nonViolating)
        {
            Reprieve(other);
        }

        victims.Sort(Candidate.ByImportance);
        return (new Candidate(node.Name, victims, violations), null);

        bool Reprieve(PodInfo other)
        {
            node.AddPod(other);
            framework.RunPreFilterAddPod(state, pod, other, node);
            if (framework.RunFiltersWithNominatedPods(state, pod, node).IsSuccess)
            {
                return true;
            }

            Remove(other);
            victims.Add(other);
            return false;
        }

        void Remove(PodInfo other)
        {
            node.RemovePod(other.Uid);
            framework.RunPreFilterRemovePod(state, pod, other, node);
        }
    }
}
