using System.Globalization;

namespace Trireme.Storage.Etcd.Membership;

/// <summary>A member's identity, given by the cluster when the member was added; shown as etcdctl does, in hexadecimal.</summary>
public readonly record struct EtcdMemberId(ulong Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString("x", CultureInfo.InvariantCulture);
}

/// <summary>A member as the cluster's configuration knows it, whether it runs or not.</summary>
/// <param name="Id">Its identity.</param>
/// <param name="Name">Its name; empty until it has started for the first time.</param>
/// <param name="PeerUrls">Where the other members reach it.</param>
/// <param name="ClientUrls">Where it says clients reach it; empty until it has started for the first time.</param>
/// <param name="IsLearner">Whether it receives the log without having a vote.</param>
public sealed record EtcdMemberInfo(
    EtcdMemberId Id, string Name, IReadOnlyList<Uri> PeerUrls, IReadOnlyList<Uri> ClientUrls, bool IsLearner)
{
    /// <summary>Whether it has ever started: members get their name then.</summary>
    public bool HasStarted => Name.Length > 0;
}

/// <summary>What one member says about itself.</summary>
/// <param name="Id">The member that answered.</param>
/// <param name="ClusterId">Its cluster; members with different ones do not belong together.</param>
/// <param name="Version">Its etcd version, such as 3.4.23.</param>
/// <param name="Leader">The leader that it follows, or null when it knows none.</param>
/// <param name="IsLearner">Whether it has no vote.</param>
/// <param name="RaftTerm">Its raft term.</param>
/// <param name="RaftIndex">Index of the last entry that it has committed.</param>
/// <param name="RaftAppliedIndex">Index of the last entry that it has applied.</param>
/// <param name="Revision">Its newest revision, which may be behind the cluster's.</param>
/// <param name="DbSizeBytes">Size of its database file.</param>
/// <param name="DbSizeInUseBytes">What defragmentation would leave of it.</param>
/// <param name="Errors">Its complaints: alarms, missing leader.</param>
public sealed record EtcdStatus(
    EtcdMemberId Id,
    ulong ClusterId,
    string Version,
    EtcdMemberId? Leader,
    bool IsLearner,
    ulong RaftTerm,
    ulong RaftIndex,
    ulong RaftAppliedIndex,
    Revision Revision,
    long DbSizeBytes,
    long DbSizeInUseBytes,
    IReadOnlyList<string> Errors)
{
    /// <summary>Whether the member that answered leads.</summary>
    public bool IsLeader => Leader == Id;
}

/// <summary>What an alarm is about.</summary>
public enum EtcdAlarmKind
{
    /// <summary>A kind that this program does not know.</summary>
    Unknown,

    /// <summary>The database has reached its quota: the cluster refuses writes until space is made and the alarm disarmed.</summary>
    NoSpace,

    /// <summary>A member's data differs from the others'.</summary>
    Corrupt,
}

/// <summary>An alarm that is raised.</summary>
public sealed record EtcdAlarm(EtcdMemberId Member, EtcdAlarmKind Kind);

/// <summary>Why a change of membership, or a maintenance call, was refused.</summary>
public enum EtcdRefusal
{
    /// <summary>Something else: see the message.</summary>
    Other,

    /// <summary>No member has this id (any more).</summary>
    MemberNotFound,

    /// <summary>A member has this peer URL already: perhaps a former attempt added it.</summary>
    PeerUrlExists,

    /// <summary>Not all members have been connected for long enough (5 s): try again in a while.</summary>
    UnhealthyCluster,

    /// <summary>The change would cost the quorum.</summary>
    NotEnoughStartedMembers,

    /// <summary>The learner has not caught up with the leader yet: try again in a while.</summary>
    LearnerNotReady,

    /// <summary>The member has a vote already.</summary>
    NotALearner,

    /// <summary>There is a learner already; etcd allows one at a time unless configured otherwise.</summary>
    TooManyLearners,

    /// <summary>The member that was asked is not the leader.</summary>
    NotLeader,
}

/// <summary>The cluster understood and refused. Nothing has changed.</summary>
public sealed class EtcdRefusedException(EtcdRefusal refusal, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Why.</summary>
    public EtcdRefusal Refusal { get; } = refusal;
}
