namespace Trireme.Storage.Sqlite;

/// <summary>Where the embedded store lives and how it behaves.</summary>
public sealed record SqliteStoreOptions
{
    /// <summary>Directory that belongs to this store alone; created if missing.</summary>
    public required string Directory { get; init; }

    /// <summary>Most transactions written with one fsync. Larger batches gain nothing measurable.</summary>
    public int MaxBatch { get; init; } = 256;

    /// <summary>Connections for reads that run at the same time.</summary>
    public int Readers { get; init; } = Math.Max(4, Environment.ProcessorCount);
}
