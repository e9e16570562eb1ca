namespace Trireme.Storage.Etcd;

/// <summary>Which etcd cluster to use, and how patient to be with its members.</summary>
public sealed record EtcdOptions
{
    /// <summary>Client URLs of the members, the preferred (nearest) one first: <c>https://10.0.0.1:2379</c>.</summary>
    public required IReadOnlyList<Uri> Endpoints { get; init; }

    /// <summary>Files for mutual TLS; null for plain HTTP.</summary>
    public EtcdTlsFiles? Tls { get; init; }

    /// <summary>Put before every key, so that several stores can share one cluster.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>How long one member may take for a call before another is tried. Later attempts of a call get twice as much.</summary>
    public TimeSpan AttemptTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a member may take to prove, by a linearizable read, that it can be used.</summary>
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>How long a call may take in all, including changes of member; long enough for an election of a new leader.</summary>
    public TimeSpan TotalTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A watch that has heard nothing for so long moves to another member.</summary>
    public TimeSpan WatchStaleAfter { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Most commits in flight; further ones queue here. More gain nothing and end in "too many requests".</summary>
    public int MaxInFlightCommits { get; init; } = 256;
}

/// <summary>PEM files for mutual TLS. They are read again when they change, so renewed certificates need no restart.</summary>
/// <param name="CaFile">Authorities that may have signed the members' certificates.</param>
/// <param name="CertFile">The client's certificate, and intermediates if any.</param>
/// <param name="KeyFile">The client's private key.</param>
public sealed record EtcdTlsFiles(string CaFile, string CertFile, string KeyFile);
