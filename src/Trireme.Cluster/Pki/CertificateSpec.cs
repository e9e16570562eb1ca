using System.Net;

namespace Trireme.Cluster.Pki;

/// <summary>What a certificate may be used for.</summary>
[Flags]
public enum CertificateUsage
{
    None = 0,
    Server = 1,
    Client = 2,
}

/// <summary>A leaf certificate as it should be.</summary>
/// <param name="CommonName">User name of a client certificate.</param>
/// <param name="Usage">Extended key usages.</param>
public sealed record CertificateSpec(string CommonName, CertificateUsage Usage)
{
    /// <summary>Groups of a client certificate.</summary>
    public IReadOnlyList<string> Organizations { get; init; } = [];

    /// <summary>Names under which a server is reached.</summary>
    public IReadOnlyList<string> DnsNames { get; init; } = [];

    /// <summary>Addresses under which a server is reached.</summary>
    public IReadOnlyList<IPAddress> Addresses { get; init; } = [];

    /// <summary>From now until it expires.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromDays(365);
}
