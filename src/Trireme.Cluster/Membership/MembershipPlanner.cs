namespace Trireme.Cluster.Membership;

/// <summary>
/// Decides the next safe change of the store's members. A pure function of what is and what is wanted: it is asked again after each
/// change, so a machine that dies between two steps costs nothing.
/// </summary>
/// <remarks>
/// What holds for every step it returns: if the voters have quorum before the step, the healthy ones have quorum after it. Order of
/// preference:
/// <list type="number">
/// <item>without quorum nothing is changed (etcd could not commit it);</item>
/// <item>a member whose machine has another address is updated;</item>
/// <item>a learner is promoted, or removed when its machine is gone (only one learner may exist at a time);</item>
/// <item>a dead member whose address a new machine needs is removed, because etcd refuses two members with one address;</item>
/// <item>a machine without a member is added as learner, before any dead member is removed: removing first would not raise the margin,
/// and the dead one may still come back;</item>
/// <item>members of machines that are gone are removed.</item>
/// </list>
/// </remarks>
public static class MembershipPlanner
{
    /// <summary>The next step.</summary>
    /// <param name="members">The member list with the outcome of a health probe.</param>
    /// <param name="machines">
    /// Every machine that is known. A member whose machine is not among them is left alone: it may be one of which this machine has not heard.
    /// </param>
    public static MembershipStep Plan(IReadOnlyList<EtcdMember> members, IReadOnlyList<MachineRecord> machines)
    {
        var quorum = Quorum.Of(members);
        if (!quorum.IsHeld)
        {
            return new MembershipStep.Wait($"{quorum.Healthy} of {quorum.Voters} store members answer and {quorum.Needed} are needed");
        }

        return UpdateAddress(members, machines, quorum)
            ?? SettleLearner(members, machines, quorum)
            ?? FreeAddress(members, machines, quorum)
            ?? AddLearner(members, machines)
            ?? RemoveGone(members, machines, quorum)
            ?? new MembershipStep.Done();
    }

    private static MembershipStep? UpdateAddress(IReadOnlyList<EtcdMember> members, IReadOnlyList<MachineRecord> machines, Quorum quorum)
    {
        foreach (var machine in machines.Where(m => m.Keep))
        {
            if (members.FirstOrDefault(machine.Owns) is not { } member || member.HasPeerUrl(machine.PeerUrl))
            {
                continue;
            }

            // A healthy voter could be cut off by a wrong address: the others must be able to go on (a lone one has nobody to lose).
            var safe = member.IsLearner || !member.IsHealthy || quorum.Voters == 1 || quorum.Margin >= 1;
            if (safe && !members.Any(other => other.Id != member.Id && other.HasPeerUrl(machine.PeerUrl)))
            {
                return new MembershipStep.UpdatePeerUrl(member, machine.PeerUrl);
            }
        }

        return null;
    }

    private static MembershipStep? SettleLearner(IReadOnlyList<EtcdMember> members, IReadOnlyList<MachineRecord> machines, Quorum quorum)
    {
        foreach (var learner in members.Where(m => m.IsLearner))
        {
            var machine = OwnerOf(learner, machines);
            if (machine is { Keep: false })
            {
                return new MembershipStep.Remove(learner);
            }

            var after = new Quorum(quorum.Voters + 1, quorum.Healthy + 1);
            if (learner.IsHealthy && machine is not null && after.IsHeld)
            {
                return new MembershipStep.Promote(learner);
            }
        }

        return null;
    }

    private static MembershipStep? FreeAddress(IReadOnlyList<EtcdMember> members, IReadOnlyList<MachineRecord> machines, Quorum quorum)
    {
        foreach (var machine in machines.Where(m => m.Keep && !members.Any(m.Owns)))
        {
            var occupant = members.FirstOrDefault(m => m.HasPeerUrl(machine.PeerUrl) && m.IsStarted);
            if (occupant is { IsHealthy: false } && MayRemove(occupant, quorum))
            {
                return new MembershipStep.Remove(occupant);
            }
        }

        return null;
    }

    private static MembershipStep? AddLearner(IReadOnlyList<EtcdMember> members, IReadOnlyList<MachineRecord> machines)
    {
        var newcomer = machines.FirstOrDefault(m => m.Keep && !members.Any(e => m.Owns(e) || (!e.IsStarted && e.HasPeerUrl(m.PeerUrl))));
        if (newcomer is null)
        {
            return null;
        }

        if (members.FirstOrDefault(m => m.IsLearner) is { } learner)
        {
            return new MembershipStep.Wait($"another server is joining ({Describe(learner)}); if it is lost, 'trireme phase etcd-remove --member {Describe(learner)}' on a server gives up on it");
        }

        return members.Any(m => m.HasPeerUrl(newcomer.PeerUrl))
            ? new MembershipStep.Wait($"a running store member has the address {newcomer.PeerUrl}")
            : new MembershipStep.AddLearner(newcomer);
    }

    private static MembershipStep? RemoveGone(IReadOnlyList<EtcdMember> members, IReadOnlyList<MachineRecord> machines, Quorum quorum)
    {
        var gone = members.Where(m => !m.IsLearner && OwnerOf(m, machines) is { Keep: false }).ToList();
        if (gone.Count == 0)
        {
            return null;
        }

        // Dead ones first: each of them that goes raises the margin.
        var next = gone.OrderBy(m => m.IsHealthy).First();
        return MayRemove(next, quorum)
            ? new MembershipStep.Remove(next)
            : new MembershipStep.Wait($"without {Describe(next)} the store would lose its quorum");
    }

    private static bool MayRemove(EtcdMember member, Quorum quorum)
    {
        if (member.IsLearner)
        {
            return true;
        }

        var after = new Quorum(quorum.Voters - 1, quorum.Healthy - (member.IsHealthy ? 1 : 0));
        return after is { Voters: > 0, IsHeld: true };
    }

    private static MachineRecord? OwnerOf(EtcdMember member, IReadOnlyList<MachineRecord> machines) => member.IsStarted
        ? machines.FirstOrDefault(m => m.Owns(member))
        : machines.FirstOrDefault(m => member.HasPeerUrl(m.PeerUrl));

    private static string Describe(EtcdMember member) =>
        member.IsStarted ? MemberName.MachineNameOf(member.Name) : member.PeerUrls.FirstOrDefault()?.Host ?? member.Id.ToString("x", System.Globalization.CultureInfo.InvariantCulture);
}
