using System.Runtime.CompilerServices;
using Trireme.Storage;

namespace Trireme.ApiServer.Tests.Pipeline;

/// <summary>A store whose quorum can be taken away, or be slow.</summary>
internal sealed class UnreliableStore(IRevisionedStore inner) : IRevisionedStore
{
    public bool IsDown { get; set; }

    /// <summary>Commits wait for it.</summary>
    public Task CommitsGoOn { get; set; } = Task.CompletedTask;

    /// <summary>Lists wait for it.</summary>
    public Task ListsGoOn { get; set; } = Task.CompletedTask;

    /// <summary>What commits are answered with; null for the truth.</summary>
    public Exception? CommitFailure { get; set; }

    /// <summary>Questions for the newest revision wait for it.</summary>
    public Task AnswersGoOn { get; set; } = Task.CompletedTask;

    public ValueTask<GetResult> GetAsync(string key, Revision? at = null, CancellationToken cancellationToken = default)
    {
        Demand();
        return inner.GetAsync(key, at, cancellationToken);
    }

    public async ValueTask<ListResult> ListAsync(ListRequest request, CancellationToken cancellationToken = default)
    {
        await ListsGoOn.WaitAsync(cancellationToken);
        Demand();
        return await inner.ListAsync(request, cancellationToken);
    }

    public async ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken = default)
    {
        await CommitsGoOn.WaitAsync(cancellationToken);
        Demand();
        if (CommitFailure is not null)
        {
            throw CommitFailure;
        }

        return await inner.CommitAsync(transaction, cancellationToken);
    }

    public async IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var batch in inner.WatchAsync(prefix, after, cancellationToken))
        {
            yield return batch;
        }
    }

    public ValueTask CompactAsync(Revision revision, CancellationToken cancellationToken = default)
    {
        Demand();
        return inner.CompactAsync(revision, cancellationToken);
    }

    public async ValueTask<Revision> CurrentRevisionAsync(CancellationToken cancellationToken = default)
    {
        await AnswersGoOn.WaitAsync(cancellationToken);
        Demand();
        return await inner.CurrentRevisionAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private void Demand()
    {
        if (IsDown)
        {
            throw new StoreUnavailableException("no quorum", mayHaveApplied: false);
        }
    }
}
