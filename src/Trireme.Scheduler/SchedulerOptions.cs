namespace Trireme.Scheduler;

/// <summary>How the scheduler runs. Names and defaults are kube-scheduler's unless said otherwise.</summary>
public sealed record SchedulerOptions
{
    /// <summary>Schedules the pods whose <c>spec.schedulerName</c> is this.</summary>
    public string SchedulerName { get; init; } = "default-scheduler";

    /// <summary>Whether to schedule only while holding the Lease; false for the only scheduler of a single server.</summary>
    public bool LeaderElect { get; init; } = true;

    public string LeaderElectResourceNamespace { get; init; } = "kube-system";

    public string LeaderElectResourceName { get; init; } = "kube-scheduler";

    /// <summary>Shorter than upstream's 15 s, so that another scheduler acts within 5 s of a crash.</summary>
    public TimeSpan LeaderElectLeaseDuration { get; init; } = TimeSpan.FromSeconds(4);

    public TimeSpan LeaderElectRenewDeadline { get; init; } = TimeSpan.FromSeconds(3);

    public TimeSpan LeaderElectRetryPeriod { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>This candidate's name in the Lease; null makes one of the host name.</summary>
    public string? Identity { get; init; }

    /// <summary>How many percent of the nodes must fit before the rest is not looked at; 0 lets it fall from 50 to 5 as the cluster grows.</summary>
    public int PercentageOfNodesToScore { get; init; }

    /// <summary>How many bindings may be under way at once. Upstream has no bound; here it is what a server can take from one client.</summary>
    public int MaxConcurrentBindings { get; init; } = 64;

    public TimeSpan PodInitialBackoff { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan PodMaxBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>After this a refused pod is tried again without any event.</summary>
    public TimeSpan PodMaxInUnschedulablePods { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Address of the health and metrics server.</summary>
    public System.Net.IPAddress BindAddress { get; init; } = System.Net.IPAddress.Loopback;

    /// <summary>HTTPS port of the health and metrics server; null starts none.</summary>
    public int? SecurePort { get; init; } = 10259;

    /// <summary>Seed of the choice among equal nodes; null takes one from the clock.</summary>
    public int? Seed { get; init; }
}
