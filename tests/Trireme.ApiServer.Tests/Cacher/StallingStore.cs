using System.Runtime.CompilerServices;
using Trireme.Storage;
using Trireme.Storage.InMemory;

namespace Trireme.ApiServer.Tests.Cacher;

/// <summary>A store that can be made to fail.</summary>
internal sealed class StallingStore : IRevisionedStore
{
    private readonly InMemoryStore _inner = new();
    private TaskCompletionSource<Exception> _watchFailure = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool Unavailable { get; set; }

    /// <summary>While it is not completed, watches bring nothing.</summary>
    public Task WatchesBegin { get; set; } = Task.CompletedTask;

    /// <summary>Ends the watches that are open with an error.</summary>
    public void FailWatch(Exception error)
    {
        var failure = _watchFailure;
        _watchFailure = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        failure.SetResult(error);
    }

    public ValueTask<GetResult> GetAsync(string key, Revision? at = null, CancellationToken cancellationToken = default)
    {
        Check();
        return _inner.GetAsync(key, at, cancellationToken);
    }

    public ValueTask<ListResult> ListAsync(ListRequest request, CancellationToken cancellationToken = default)
    {
        Check();
        return _inner.ListAsync(request, cancellationToken);
    }

    public ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken = default)
    {
        Check();
        return _inner.CommitAsync(transaction, cancellationToken);
    }

    public async IAsyncEnumerable<WatchBatch> WatchAsync(
        string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await WatchesBegin.WaitAsync(cancellationToken);
        var failure = _watchFailure.Task;
        await using var batches = _inner.WatchAsync(prefix, after, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            var next = batches.MoveNextAsync().AsTask();
            if (await Task.WhenAny(next, failure) == failure)
            {
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw await failure;
            }

            if (!await next)
            {
                yield break;
            }

            yield return batches.Current;
        }
    }

    public ValueTask CompactAsync(Revision revision, CancellationToken cancellationToken = default) => _inner.CompactAsync(revision, cancellationToken);

    public ValueTask<Revision> CurrentRevisionAsync(CancellationToken cancellationToken = default)
    {
        Check();
        return _inner.CurrentRevisionAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private void Check()
    {
        if (Unavailable)
        {
            throw new StoreUnavailableException("no quorum", mayHaveApplied: false);
        }
    }
}
