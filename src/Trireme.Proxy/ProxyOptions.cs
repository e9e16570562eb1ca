using System.Net;

namespace Trireme.Proxy;

/// <summary>What the proxy of one node must know.</summary>
public sealed record ProxyOptions
{
    /// <summary>Name of the node it runs on.</summary>
    public required string NodeName { get; init; }

    /// <summary>Range of all pod addresses of the cluster; traffic that stays inside keeps its source address.</summary>
    public required string ClusterCidr { get; init; }

    /// <summary>Range of service addresses; what goes to an address of it that is no service is refused at once.</summary>
    public string ServiceCidr { get; init; } = "10.96.0.0/16";

    /// <summary>Folder that the container runtime reads its network configuration from; null leaves the pod network to others.</summary>
    public string? CniConfigFolder { get; init; }

    /// <summary>Folder in which the address plugin keeps which pod has which address.</summary>
    public string CniStateFolder { get; init; } = "/var/lib/cni/networks";

    /// <summary>Folder for the last known rules and routes, from which a node that restarts without an API server goes on; null keeps none.</summary>
    public string? StateFolder { get; init; }

    /// <summary>Largest packet of the pod network's bridge; 0 leaves it to the kernel.</summary>
    public int Mtu { get; init; }

    /// <summary>Shortest time between two changes of the rules; what happens in between goes together.</summary>
    public TimeSpan MinSyncPeriod { get; init; } = TimeSpan.FromMilliseconds(50);

    public IPAddress HealthAddress { get; init; } = IPAddress.Loopback;

    public int HealthPort { get; init; } = 10256;
}
