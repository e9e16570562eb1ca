using System.Text.Json.Serialization;

namespace Trireme.Cluster.Reporting;

/// <summary>What holds the cluster up, and what of it can still be lost. The JSON of <c>trireme status -o json</c>; fields are only ever added.</summary>
public sealed record ClusterStatus
{
    /// <summary>Null when this machine cannot ask the store (it is no server).</summary>
    public QuorumStatus? Quorum { get; init; }

    /// <summary>Members of the store; empty when it cannot be asked.</summary>
    public IReadOnlyList<MemberStatus> Members { get; init; } = [];

    public IReadOnlyList<ApiServerStatus> ApiServers { get; init; } = [];

    /// <summary>Who holds the elected roles.</summary>
    public IReadOnlyList<LeaderStatus> Leaders { get; init; } = [];

    public IReadOnlyList<NodeStatus> Nodes { get; init; } = [];

    public IReadOnlyList<ZoneStatus> Zones { get; init; } = [];

    /// <summary>What a person should do something about.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <param name="Voters">Members that vote.</param>
/// <param name="Healthy">Voters that answer.</param>
/// <param name="Needed">Votes that a write needs.</param>
/// <param name="Margin">Voters that can still be lost; negative when writes have stopped.</param>
/// <param name="Summary">The same for people.</param>
public sealed record QuorumStatus(int Voters, int Healthy, int Needed, int Margin, string Summary);

/// <param name="Name">Name of the member.</param>
/// <param name="Machine">Name of its machine.</param>
/// <param name="Id">etcd's number in hexadecimal digits.</param>
/// <param name="Healthy">Whether it answers.</param>
/// <param name="Leader">Whether it leads.</param>
/// <param name="Learner">Whether it has no vote yet.</param>
/// <param name="PeerUrls">Where the others reach it.</param>
/// <param name="Version">Version of etcd; empty when it does not answer.</param>
/// <param name="DatabaseBytes">Size of its database.</param>
public sealed record MemberStatus(
    string Name, string Machine, string Id, bool Healthy, bool Leader, bool Learner, IReadOnlyList<string> PeerUrls, string Version, long DatabaseBytes);

/// <param name="Address">Address and port.</param>
/// <param name="Ready">Whether it says that it is ready.</param>
/// <param name="Reason">Why not; null when it is.</param>
public sealed record ApiServerStatus(string Address, bool Ready, string? Reason);

/// <param name="Component">Name of the Lease in kube-system.</param>
/// <param name="Holder">Identity of the holder; empty when nobody holds it.</param>
/// <param name="Renewed">When the holder last renewed it.</param>
/// <param name="Expired">Whether it should have been renewed since.</param>
/// <param name="Transitions">How often it changed hands.</param>
public sealed record LeaderStatus(string Component, string Holder, DateTimeOffset? Renewed, bool Expired, int Transitions);

/// <param name="Name">Name of the node.</param>
/// <param name="Zone">Its zone; empty when it has none.</param>
/// <param name="Server">Whether it is labelled as control plane.</param>
/// <param name="Ready">Whether it is ready.</param>
/// <param name="Address">Internal address.</param>
/// <param name="Version">Version of its node agent.</param>
public sealed record NodeStatus(string Name, string Zone, bool Server, bool Ready, string Address, string Version);

/// <param name="Name">The zone; empty for machines without one.</param>
/// <param name="Nodes">Machines in it.</param>
/// <param name="Voters">Store members in it; null when the store cannot be asked.</param>
/// <param name="Expendable">Whether writes go on when the whole zone is lost; null when the store cannot be asked.</param>
public sealed record ZoneStatus(string Name, int Nodes, int? Voters, bool? Expendable);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ClusterStatus))]
public sealed partial class ClusterStatusJson : JsonSerializerContext;
