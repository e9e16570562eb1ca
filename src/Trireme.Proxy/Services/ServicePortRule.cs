namespace Trireme.Proxy.Services;

/// <summary>An address and port behind a service.</summary>
/// <param name="Address">IPv4 address of the pod, or whatever the slice names.</param>
/// <param name="Port">Port there.</param>
public readonly record struct Backend(string Address, int Port) : IComparable<Backend>
{
    public int CompareTo(Backend other) =>
        string.CompareOrdinal(Address, other.Address) is var order and not 0 ? order : Port.CompareTo(other.Port);

    public override string ToString() => $"{Address}:{Port}";
}

/// <summary>Everything that packet rules say about one port of one service.</summary>
public sealed record ServicePortRule
{
    /// <summary>Namespace and name of the service, and the port's name: <c>default/web:http</c>.</summary>
    public required string Name { get; init; }

    /// <summary><c>tcp</c>, <c>udp</c> or <c>sctp</c>.</summary>
    public required string Protocol { get; init; }

    /// <summary>Port at the service's addresses.</summary>
    public required int Port { get; init; }

    /// <summary>The service's cluster address.</summary>
    public required string ClusterAddress { get; init; }

    /// <summary>External and load balancer addresses: traffic to them comes from outside as that to node ports does.</summary>
    public IReadOnlyList<string> ExternalAddresses { get; init; } = [];

    /// <summary>Those of <see cref="ExternalAddresses"/> that are a load balancer's.</summary>
    public IReadOnlyList<string> LoadBalancerAddresses { get; init; } = [];

    /// <summary>Ranges from which a load balancer's addresses may be reached (loadBalancerSourceRanges), none within another; null for everybody.</summary>
    public IReadOnlyList<string>? SourceRanges { get; init; }

    /// <summary>Port of every node; 0 for none.</summary>
    public int NodePort { get; init; }

    /// <summary>Where traffic to a cluster address goes; sorted.</summary>
    public required IReadOnlyList<Backend> Backends { get; init; }

    /// <summary>Where traffic to a node port or an external address goes; differs from <see cref="Backends"/> when a traffic policy is Local.</summary>
    public required IReadOnlyList<Backend> ExternalBackends { get; init; }

    /// <summary>Whether traffic from outside keeps its source address (externalTrafficPolicy Local).</summary>
    public bool PreserveSource { get; init; }

    /// <summary>How long a client stays with its backend (sessionAffinity ClientIP); null without affinity.</summary>
    public TimeSpan? Affinity { get; init; }
}
