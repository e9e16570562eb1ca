using System.Text;
using Trireme.Storage;
using Xunit;

namespace Trireme.TestKit.Storage;

/// <summary>What every <see cref="IRevisionedStore"/> promises. An implementation passes by deriving from this and opening a store.</summary>
/// <remarks>The suite's parts are one file each. Stores of different tests may share an engine behind different prefixes: nothing here relies on
/// the first revision, nor on each change taking exactly one.</remarks>
public abstract partial class RevisionedStoreContract : IAsyncLifetime
{
    private IRevisionedStore? _store;

    /// <summary>An empty store for one test.</summary>
    protected abstract ValueTask<IRevisionedStore> OpenAsync();

    /// <summary>The store under test.</summary>
    protected IRevisionedStore Store => _store ?? throw new InvalidOperationException("Store is not open");

    /// <summary>Writes per property or stress test; fewer where each one costs a disk flush.</summary>
    protected virtual int Effort => 2_000;

    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _store = await OpenAsync();

    public virtual async ValueTask DisposeAsync()
    {
        if (_store is not null)
        {
            await _store.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    protected static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected static string Text(StoredEntry? entry) => entry is null ? "-" : Encoding.UTF8.GetString(entry.Value.Span);

    protected static string Show(StoreEvent change) => $"{change.Key}={Text(change.Entry)}";

    protected static string Show(IEnumerable<StoredEntry> entries) => string.Join(' ', entries.Select(e => $"{e.Key}={Text(e)}"));

    /// <summary>Puts without asking what is there.</summary>
    protected async Task<Revision> PutAsync(string key, string value)
    {
        var result = await Store.CommitAsync(new Transaction([], [Operation.Put(key, Bytes(value))]), Cancelled);
        Assert.True(result.Succeeded);
        return result.Revision;
    }

    /// <summary>Deletes without asking what is there.</summary>
    protected async Task<Revision> DeleteAsync(string key)
    {
        var result = await Store.CommitAsync(new Transaction([], [Operation.Delete(key)]), Cancelled);
        Assert.True(result.Succeeded);
        return result.Revision;
    }

    /// <summary>Collects changes until there are enough, with the batches that they came in.</summary>
    protected async Task<(List<StoreEvent> Changes, List<WatchBatch> Batches)> WatchUntilAsync(
        string prefix, Revision after, Func<WatchBatch, List<StoreEvent>, bool> enough)
    {
        using var deadline = Eventually.Deadline();
        var changes = new List<StoreEvent>();
        var batches = new List<WatchBatch>();
        await foreach (var batch in Store.WatchAsync(prefix, after, deadline.Token))
        {
            batches.Add(batch);
            changes.AddRange(batch.Events);
            if (enough(batch, changes))
            {
                return (changes, batches);
            }
        }

        throw new InvalidOperationException("The watch ended by itself");
    }

    /// <summary>Collects changes up to and including a revision.</summary>
    protected Task<(List<StoreEvent> Changes, List<WatchBatch> Batches)> WatchToAsync(
        string prefix, Revision after, Revision upTo) =>
        WatchUntilAsync(prefix, after, (batch, _) => batch.Revision >= upTo);
}
