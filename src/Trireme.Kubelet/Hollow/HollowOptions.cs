namespace Trireme.Kubelet.Hollow;

/// <summary>Nodes to simulate.</summary>
public sealed record HollowOptions
{
    /// <summary>Names and zones of the nodes; a null zone sets no label.</summary>
    public required IReadOnlyList<(string Name, string? Zone)> Nodes { get; init; }

    /// <summary>Cores that each node has.</summary>
    public int Cpu { get; init; } = 8;

    /// <summary>Memory that each node has, as a quantity.</summary>
    public string Memory { get; init; } = "32Gi";

    public int MaxPods { get; init; } = 110;

    /// <summary>How often each node renews its Lease.</summary>
    public TimeSpan LeaseRenewInterval { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(40);

    /// <summary>How many pods are worked on at once.</summary>
    public int Workers { get; init; } = 16;
}
