namespace Trireme.Controllers;

/// <summary>What a controller manager is told when it starts.</summary>
public sealed record ControllerManagerOptions
{
    /// <summary>Campaign for the Lease before acting. Without it this must be the only instance.</summary>
    public bool LeaderElect { get; init; } = true;

    public string LeaseNamespace { get; init; } = "kube-system";

    public string LeaseName { get; init; } = "kube-controller-manager";

    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(4);

    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(3);

    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Which controllers run: <c>*</c>, names, and <c>-name</c> to leave one out, as <c>--controllers</c>.</summary>
    public IReadOnlyList<string> Controllers { get; init; } = ["*"];

    /// <summary>Range from which each node gets a /24 for its pods.</summary>
    public string ClusterCidr { get; init; } = "10.201.0.0/16";

    public string ServiceClusterIpRange { get; init; } = "10.96.0.0/16";

    /// <summary>Length of a node's part of <see cref="ClusterCidr"/>.</summary>
    public int NodeCidrMaskSize { get; init; } = 24;

    public bool AllocateNodeCidrs { get; init; } = true;

    /// <summary>File with the CA bundle that pods need to trust the API; published in each namespace. Null publishes none.</summary>
    public string? RootCaFile { get; init; }

    /// <summary>CA that signs certificate requests of nodes; null leaves them to others.</summary>
    public string? ClusterSigningCertFile { get; init; }

    public string? ClusterSigningKeyFile { get; init; }

    /// <summary>Longest life of a signed certificate.</summary>
    public TimeSpan ClusterSigningDuration { get; init; } = TimeSpan.FromDays(365);

    /// <summary>How long a node may be silent before it counts as lost.</summary>
    public TimeSpan NodeMonitorGracePeriod { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How often the nodes' signs of life are looked at.</summary>
    public TimeSpan NodeMonitorPeriod { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Ended pods beyond this number are removed, oldest first; 0 keeps all.</summary>
    public int TerminatedPodGcThreshold { get; init; } = 12500;

    /// <summary>Address of the health server.</summary>
    public System.Net.IPAddress BindAddress { get; init; } = System.Net.IPAddress.Loopback;

    /// <summary>Port of the health server; null for none.</summary>
    public int? HealthPort { get; init; } = 10257;

    /// <summary>HTTPS (self-signed) on the health port, as upstream's secure port.</summary>
    public bool HealthTls { get; init; } = true;

    /// <summary>Workers per controller, by the middle of its flag: <c>deployment</c> for <c>--concurrent-deployment-syncs</c>.</summary>
    public IReadOnlyDictionary<string, int> ConcurrentSyncs { get; init; } = new Dictionary<string, int>();

    /// <summary>Workers of a controller.</summary>
    public int Workers(string controller, int fallback) => ConcurrentSyncs.TryGetValue(controller, out var workers) && workers > 0 ? workers : fallback;
}
