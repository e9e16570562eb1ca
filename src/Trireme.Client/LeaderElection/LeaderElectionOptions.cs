namespace Trireme.Client.LeaderElection;

/// <summary>For which Lease to campaign, as whom, and how patiently.</summary>
public sealed record LeaderElectionOptions
{
    public string Namespace { get; init; } = "kube-system";

    /// <summary>Name of the Lease, for example <c>kube-scheduler</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Unique per process life, for example <c>HOST_UUID</c>: a restarted process is another candidate.</summary>
    public required string Identity { get; init; }

    /// <summary>How long after the last renewal it saw another candidate waits before it takes the Lease.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>How long a leader that cannot renew goes on; less than <see cref="LeaseDuration"/>, so that it has stopped when another starts.</summary>
    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Pause between tries to acquire or renew.</summary>
    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Identity of a new process: <paramref name="hostName"/> and something that no other process has.</summary>
    public static string NewIdentity(string hostName) => $"{hostName}_{Guid.NewGuid()}";
}
