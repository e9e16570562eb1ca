namespace Trireme.Cluster.Membership;

/// <summary>The one change that may be made next.</summary>
public abstract record MembershipStep
{
    private MembershipStep()
    {
    }

    /// <summary>Members are as the machines want them.</summary>
    public sealed record Done : MembershipStep;

    /// <summary>Nothing may be changed now; plan again when something happened.</summary>
    public sealed record Wait(string Reason) : MembershipStep;

    /// <summary>Adds a member that does not vote yet, for the machine.</summary>
    public sealed record AddLearner(MachineRecord Machine) : MembershipStep;

    /// <summary>Gives a learner that has caught up its vote. etcd itself refuses one that has not.</summary>
    public sealed record Promote(EtcdMember Member) : MembershipStep;

    /// <summary>Tells the others where the member is now.</summary>
    public sealed record UpdatePeerUrl(EtcdMember Member, Uri PeerUrl) : MembershipStep;

    /// <summary>Removes a member whose machine is gone or leaves.</summary>
    public sealed record Remove(EtcdMember Member) : MembershipStep;
}
