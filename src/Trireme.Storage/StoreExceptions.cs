namespace Trireme.Storage;

/// <summary>The store gave no answer: no quorum, or no member could be reached in time.</summary>
public sealed class StoreUnavailableException(string message, bool mayHaveApplied = true, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>For a commit: false when it certainly did not happen.</summary>
    public bool MayHaveApplied { get; } = mayHaveApplied;
}

/// <summary>The revision that was asked for is history that the store has forgotten.</summary>
public sealed class StoreCompactedException(Revision compacted, string? message = null)
    : Exception(message ?? $"required revision has been compacted (history starts after {compacted})")
{
    /// <summary>History up to here is gone.</summary>
    public Revision Compacted { get; } = compacted;
}
