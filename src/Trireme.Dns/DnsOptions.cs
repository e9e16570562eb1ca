using System.Net;

namespace Trireme.Dns;

/// <summary>How the cluster DNS server runs.</summary>
public sealed record DnsOptions
{
    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>Addresses to answer on, over UDP and TCP.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.Any, 53)];

    /// <summary>Address of the health and metrics server; the kubelet's probes come from outside of the pod.</summary>
    public IPAddress HealthAddress { get; init; } = IPAddress.Any;

    /// <summary>Plain HTTP port of <c>/healthz</c>, <c>/readyz</c> and <c>/metrics</c>; null starts none.</summary>
    public int? HealthPort { get; init; } = 8181;

    /// <summary>Servers for everything outside of the cluster; null takes those of <c>/etc/resolv.conf</c>, none refuses such names.</summary>
    public IReadOnlyList<IPEndPoint>? Upstreams { get; init; }

    /// <summary>Where the last known records are kept, so that a restart without the API still answers; null keeps none.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>Seconds for which clients may keep answers about the cluster. Short, since answers come from memory and endpoints come and go.</summary>
    public int Ttl { get; init; } = 5;

    /// <summary>Seconds for which clients may remember that a name does not exist.</summary>
    public int NegativeTtl { get; init; } = 5;

    /// <summary>For how long an answer from outside may be kept.</summary>
    public TimeSpan CacheTtl { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Seed of the order of answers; null takes one from the clock.</summary>
    public int? Seed { get; init; }
}
