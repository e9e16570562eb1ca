using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.ApiServer.Registry;
using Trireme.ApiServer.Tests.Pipeline;
using Trireme.Storage;
using Trireme.Storage.InMemory;

namespace Trireme.ApiServer.Tests.Registry;

public sealed class CompactorTests : IAsyncDisposable
{
    private readonly InMemoryStore _inner = new();
    private readonly UnreliableStore _store;
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly Compactor _compactor;

    public CompactorTests()
    {
        _store = new UnreliableStore(_inner);
        _compactor = new Compactor(_store, new ResourceRegistryOptions(), _time, NullLogger<Compactor>.Instance);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    [Fact]
    public async Task History_is_kept_for_as_long_as_was_promised()
    {
        Assert.Null(await RoundAsync());
        await PutAsync();
        Assert.Null(await RoundAsync());
        await PutAsync();
        Assert.NotNull(await RoundAsync());
    }

    [Fact]
    public async Task A_mark_of_a_server_whose_clock_was_ahead_does_not_end_compaction()
    {
        await PutAsync();
        var ahead = _time.GetUtcNow().AddYears(1).ToUnixTimeSeconds();
        await _store.CommitAsync(Transaction.Update("/registry/compaction", Encoding.ASCII.GetBytes($"{ahead}:1"), Revision.None), Cancelled);

        Revision? compacted = null;
        for (var i = 0; i < 5; i++)
        {
            compacted = await RoundAsync() ?? compacted;
        }

        Assert.NotNull(compacted);
    }

    [Fact]
    public async Task A_store_without_space_for_marks_is_compacted_all_the_same()
    {
        for (var i = 0; i < 3; i++)
        {
            await PutAsync();
            await RoundAsync();
        }

        _store.CommitFailure = new StoreUnavailableException("etcd refused: mvcc: database space exceeded", mayHaveApplied: false);
        Assert.NotNull(await RoundAsync());
    }

    private async Task<Revision?> RoundAsync()
    {
        _time.Advance(TimeSpan.FromMinutes(5));
        return await _compactor.CompactAsync(Cancelled);
    }

    private async Task<Revision> PutAsync() =>
        (await _store.CommitAsync(new Transaction([], [Operation.Put("/registry/x", "{}"u8.ToArray())]), Cancelled)).Revision;
}
