namespace Trireme.Storage.Sqlite;

/// <summary>Something for the writer to do as part of its next batch.</summary>
internal abstract class WriteRequest
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the batch is on disk, or fails.</summary>
    public Task Done => _done.Task;

    /// <summary>Runs inside the SQLite transaction. Its outcome counts only when the batch is on disk.</summary>
    public abstract void Apply(LogWriter writer);

    public void Complete() => _done.TrySetResult();

    public void Fail(Exception exception) => _done.TrySetException(exception);
}

/// <summary>A transaction of a caller.</summary>
internal sealed class CommitRequest(Transaction transaction, CancellationToken cancellationToken) : WriteRequest
{
    /// <summary>The outcome; null when the caller had gone before it was tried.</summary>
    public CommitResult? Result { get; private set; }

    public override void Apply(LogWriter writer) =>
        Result = cancellationToken.IsCancellationRequested ? null : writer.Commit(transaction);
}

/// <summary>Records that history up to a revision is going to be deleted; precedes all deletions.</summary>
internal sealed class CompactRequest(long revision) : WriteRequest
{
    public override void Apply(LogWriter writer) => writer.SetCompacted(revision);
}

/// <summary>Deletes some rows that compaction found to be superseded.</summary>
internal sealed class DeleteRowsRequest(IReadOnlyList<long> ids) : WriteRequest
{
    public override void Apply(LogWriter writer) => writer.DeleteRows(ids);
}
