namespace Trireme.ApiServer.Registry;

/// <summary>Settings of the resource registry; the defaults are those of a cluster made by <c>trireme init</c>.</summary>
public sealed record ResourceRegistryOptions
{
    /// <summary>Beginning of all keys in the store, with a slash at the end.</summary>
    public string StoreRoot { get; init; } = "/registry/";

    /// <summary>Range of cluster IPs of Services. The first address is that of the API, the tenth that of cluster DNS: neither is given unasked.</summary>
    public string ServiceClusterIpRange { get; init; } = "10.96.0.0/16";

    /// <summary>First port given to Services of type NodePort.</summary>
    public int NodePortMin { get; init; } = 30000;

    /// <summary>Last port given to Services of type NodePort.</summary>
    public int NodePortMax { get; init; } = 32767;

    /// <summary>How long an Event is kept after its last change.</summary>
    public TimeSpan EventTtl { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How often the store's history is compacted; one server does it for all. Zero leaves it to others.</summary>
    public TimeSpan CompactionInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How much history compaction leaves: lists can be continued and watches resumed for that long.</summary>
    public TimeSpan CompactionKeep { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Seed of everything random, for tests; null draws one.</summary>
    public int? Seed { get; init; }
}
