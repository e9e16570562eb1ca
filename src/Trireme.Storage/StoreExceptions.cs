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

/// <summary>A read asked for a revision that the store has not reached.</summary>
public sealed class StoreFutureRevisionException(Revision requested, Revision current)
    : Exception($"required revision is a future revision (asked for {requested}, store is at {current})")
{
    /// <summary>What was asked for.</summary>
    public Revision Requested { get; } = requested;

    /// <summary>The newest revision there is; zero when the store did not say.</summary>
    public Revision Current { get; } = current;
}

/// <summary>A transaction is larger than the store accepts (etcd: 1.5 MiB unless configured otherwise). It did not happen.</summary>
public sealed class StoreRequestTooLargeException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>What is on disk is damaged, or was not written by this store. The message is one line: which file, and what to do.</summary>
public sealed class StoreCorruptException(string message, Exception? inner = null) : Exception(message, inner);
