namespace Trireme.Cluster.Membership;

/// <summary>A member of the store as the member list and a health probe show it.</summary>
/// <param name="Id">Number that etcd gave it.</param>
/// <param name="Name">Empty until the member has started for the first time.</param>
/// <param name="PeerUrls">Where the other members reach it.</param>
/// <param name="IsLearner">Whether it only receives the log and has no vote yet.</param>
/// <param name="IsHealthy">Whether it answered a probe just now.</param>
public sealed record EtcdMember(ulong Id, string Name, IReadOnlyList<Uri> PeerUrls, bool IsLearner, bool IsHealthy)
{
    /// <summary>Where clients reach it; empty until it has started.</summary>
    public IReadOnlyList<Uri> ClientUrls { get; init; } = [];

    /// <summary>What it said of itself when it was probed; null when it did not answer.</summary>
    public EtcdMemberStatus? Status { get; init; }

    public bool IsStarted => Name.Length > 0;

    public bool HasPeerUrl(Uri url) => PeerUrls.Contains(url);
}

/// <summary>What a member says of itself.</summary>
/// <param name="IsLeader">Whether it leads.</param>
/// <param name="Version">Version of etcd.</param>
/// <param name="DatabaseBytes">Size of its database file.</param>
/// <param name="RaftIndex">Last entry of its log that is committed.</param>
public sealed record EtcdMemberStatus(bool IsLeader, string Version, long DatabaseBytes, long RaftIndex);

/// <summary>A machine that should, or should no longer, hold a member.</summary>
/// <param name="MachineId">Identity of the machine, independent of its name and address.</param>
/// <param name="PeerUrl">Where its member is, or is going to be, reached by the others.</param>
public sealed record MachineRecord(string MachineId, Uri PeerUrl)
{
    /// <summary>False for a machine that leaves or is lost for good: its member is to go.</summary>
    public bool Keep { get; init; } = true;

    /// <summary>Whether a member's name is that of this machine.</summary>
    public bool Owns(EtcdMember member) => MemberName.MachineIdOf(member.Name) is { Length: > 0 } id && id == MemberName.Shorten(MachineId);
}

/// <summary>Names of members: the machine's name for people, a dash, and the first twelve digits of the machine id for everything else.</summary>
public static class MemberName
{
    private const int IdLength = 12;

    public static string For(string machineName, string machineId) => $"{machineName}-{Shorten(machineId)}";

    /// <summary>The part of a member's name that identifies the machine; empty when the name has none.</summary>
    public static string MachineIdOf(string memberName)
    {
        var dash = memberName.LastIndexOf('-');
        return dash >= 0 && memberName.Length - dash - 1 == IdLength ? memberName[(dash + 1)..] : "";
    }

    /// <summary>The machine's name inside a member's name.</summary>
    public static string MachineNameOf(string memberName) =>
        MachineIdOf(memberName).Length > 0 ? memberName[..^(IdLength + 1)] : memberName;

    internal static string Shorten(string machineId) => machineId.Length <= IdLength ? machineId : machineId[..IdLength];
}
