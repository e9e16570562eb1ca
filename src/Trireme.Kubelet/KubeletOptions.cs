using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet;

/// <summary>How a kubelet runs; names and defaults follow the flags of upstream's kubelet.</summary>
public sealed record KubeletOptions
{
    /// <summary>Name under which the node is registered.</summary>
    public required string NodeName { get; init; }

    /// <summary>InternalIP of the node; null takes the address of the interface that has the default route.</summary>
    public string? NodeIP { get; init; }

    /// <summary>Labels put on the node when it registers, and again at each start.</summary>
    public IReadOnlyDictionary<string, string> NodeLabels { get; init; } = new Dictionary<string, string>();

    /// <summary>Taints of a node that registers for the first time.</summary>
    public IReadOnlyList<Taint> RegisterWithTaints { get; init; } = [];

    /// <summary>Socket of the container runtime.</summary>
    public string ContainerRuntimeEndpoint { get; init; } = "unix:///run/containerd/containerd.sock";

    /// <summary>Where volumes, checkpoints and the serving certificate live.</summary>
    public string RootDirectory { get; init; } = "/var/lib/kubelet";

    /// <summary>Directory (or file) of static pods; null for none.</summary>
    public string? PodManifestPath { get; init; }

    /// <summary>Name servers of pods with dnsPolicy ClusterFirst.</summary>
    public IReadOnlyList<string> ClusterDns { get; init; } = [];

    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>The machine's resolver configuration, for pods with dnsPolicy Default.</summary>
    public string ResolvConf { get; init; } = "/etc/resolv.conf";

    /// <summary>Serving certificate; without one a self-signed certificate is made under the root directory.</summary>
    public string? TlsCertFile { get; init; }

    public string? TlsPrivateKeyFile { get; init; }

    /// <summary>CA of the clients that may talk to the kubelet; without one no client is let in.</summary>
    public string? ClientCaFile { get; init; }

    public int MaxPods { get; init; } = 110;

    /// <summary>Directory of container logs.</summary>
    public string PodLogDirectory { get; init; } = "/var/log/pods";

    /// <summary>Cgroup under which <c>kubepods</c> is made; empty for the root.</summary>
    public string CgroupRoot { get; init; } = "";

    /// <summary>Address of the HTTPS server.</summary>
    public string Address { get; init; } = "0.0.0.0";

    public int Port { get; init; } = 10250;

    /// <summary>Port of plain <c>/healthz</c> on 127.0.0.1; 0 for none.</summary>
    public int HealthzPort { get; init; } = 10248;

    /// <summary>How often the node's Lease is renewed.</summary>
    public TimeSpan NodeLeaseRenewInterval { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>leaseDurationSeconds of the node's Lease: after this without renewal the node counts as gone.</summary>
    public TimeSpan NodeLeaseDuration { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How often the node's status is computed; it is sent when it changed.</summary>
    public TimeSpan NodeStatusUpdateFrequency { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often an unchanged node status is sent all the same.</summary>
    public TimeSpan NodeStatusReportFrequency { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How often the runtime is asked for its pods where it has no events.</summary>
    public TimeSpan PlegRelistPeriod { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest time between two looks at an unchanged pod; volumes are refreshed then.</summary>
    public TimeSpan SyncFrequency { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Pulls at the same time.</summary>
    public int MaxParallelImagePulls { get; init; } = 4;

    /// <summary>Size at which a container's log is rotated.</summary>
    public long ContainerLogMaxSize { get; init; } = 10 * 1024 * 1024;

    /// <summary>Log files kept per container, the one being written included.</summary>
    public int ContainerLogMaxFiles { get; init; } = 5;

    /// <summary>Pods are evicted below this much available memory.</summary>
    public long EvictionMemoryAvailableBytes { get; init; } = 100L * 1024 * 1024;

    /// <summary>Pods are evicted below this share of free space where the root directory lives.</summary>
    public double EvictionNodeFsAvailable { get; init; } = 0.10;

    /// <summary>Unused images are removed above this share of used space where images live.</summary>
    public double ImageGcHighThreshold { get; init; } = 0.85;

    /// <summary>Down to this share of used space.</summary>
    public double ImageGcLowThreshold { get; init; } = 0.80;
}
