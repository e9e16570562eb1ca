using System.Globalization;
using Trireme.Storage;
using Xunit;

namespace Trireme.TestKit.Storage;

public abstract partial class RevisionedStoreContract
{
    [Fact]
    public async Task A_key_is_created_once()
    {
        var first = await Store.CommitAsync(Transaction.Create("/a", Bytes("1")), Cancelled);
        var second = await Store.CommitAsync(Transaction.Create("/a", Bytes("2")), Cancelled);

        Assert.True(first.Succeeded);
        Assert.Empty(first.Current);
        Assert.False(second.Succeeded);
        var current = Assert.Single(second.Current);
        Assert.Equal(("1", first.Revision), (Text(current), current!.ModRevision));
        Assert.True(second.Revision >= first.Revision);
    }

    [Fact]
    public async Task An_update_needs_the_revision_of_the_last_change()
    {
        var created = await PutAsync("/a", "1");
        var updated = await Store.CommitAsync(Transaction.Update("/a", Bytes("2"), created), Cancelled);
        var stale = await Store.CommitAsync(Transaction.Update("/a", Bytes("3"), created), Cancelled);

        Assert.True(updated.Succeeded);
        Assert.True(updated.Revision > created);
        Assert.False(stale.Succeeded);
        Assert.Equal("2", Text(stale.Current[0]));
    }

    [Fact]
    public async Task A_delete_needs_the_revision_of_the_last_change()
    {
        var created = await PutAsync("/a", "1");
        Assert.False((await Store.CommitAsync(Transaction.Delete("/a", new Revision(created.Value - 1)), Cancelled)).Succeeded);
        Assert.True((await Store.CommitAsync(Transaction.Delete("/a", created), Cancelled)).Succeeded);

        var again = await Store.CommitAsync(Transaction.Delete("/a", created), Cancelled);
        Assert.False(again.Succeeded);
        Assert.Null(Assert.Single(again.Current));
        Assert.True((await Store.CommitAsync(Transaction.Create("/a", Bytes("2")), Cancelled)).Succeeded);
    }

    [Fact]
    public async Task A_transaction_happens_whole_or_not_at_all()
    {
        var a = await PutAsync("/a", "1");
        var failed = await Store.CommitAsync(
            new Transaction(
                [new Condition("/b", Revision.None), new Condition("/a", Revision.None)],
                [Operation.Put("/b", Bytes("x")), Operation.Delete("/a")]),
            Cancelled);
        Assert.False(failed.Succeeded);
        Assert.Equal(["-", "1"], failed.Current.Select(Text));
        Assert.Equal("/a=1", await ListTextAsync(new ListRequest("/")));

        var done = await Store.CommitAsync(
            new Transaction(
                [new Condition("/b", Revision.None), new Condition("/a", a)],
                [Operation.Put("/b", Bytes("x")), Operation.Delete("/a"), Operation.Put("/c", Bytes("y"))]),
            Cancelled);
        Assert.True(done.Succeeded);
        var list = await Store.ListAsync(new ListRequest("/"), Cancelled);
        Assert.Equal("/b=x /c=y", Show(list.Entries));
        Assert.All(list.Entries, e => Assert.Equal(done.Revision, e.ModRevision));
    }

    [Fact]
    public async Task A_condition_on_a_key_that_is_not_changed_fences_the_transaction()
    {
        var lease = await PutAsync("/lease", "me");
        Assert.True((await FencedAsync("1")).Succeeded);
        await PutAsync("/lease", "you");

        var late = await FencedAsync("2");

        Assert.False(late.Succeeded);
        Assert.Equal("you", Text(late.Current[0]));
        Assert.Equal("1", Text((await Store.GetAsync("/data", cancellationToken: Cancelled)).Entry));

        ValueTask<CommitResult> FencedAsync(string value) => Store.CommitAsync(
            new Transaction([new Condition("/lease", lease)], [Operation.Put("/data", Bytes(value))]), Cancelled);
    }

    [Fact]
    public async Task Conditions_alone_and_deletes_of_nothing_succeed_and_change_nothing()
    {
        var revision = await PutAsync("/a", "1");

        var conditions = await Store.CommitAsync(new Transaction([new Condition("/a", revision)], []), Cancelled);
        var nothing = await Store.CommitAsync(new Transaction([], [Operation.Delete("/nothing")]), Cancelled);

        Assert.True(conditions.Succeeded);
        Assert.True(conditions.Revision >= revision);
        Assert.True(nothing.Succeeded);
        var last = await PutAsync("/a", "2");
        var (changes, _) = await WatchToAsync("/", revision, last);
        Assert.Equal(["/a=2"], changes.Select(Show));
    }

    [Fact]
    public async Task A_transaction_may_change_a_hundred_keys()
    {
        var operations = Enumerable.Range(0, Transaction.MaxOperations)
            .Select(i => Operation.Put($"/n/{i:000}", Bytes("v"))).ToArray();
        var conditions = operations.Select(o => new Condition(o.Key, Revision.None)).ToArray();

        var result = await Store.CommitAsync(new Transaction(conditions, operations), Cancelled);

        Assert.True(result.Succeeded);
        var (changes, _) = await WatchToAsync("/n/", new Revision(result.Revision.Value - 1), result.Revision);
        Assert.Equal(Transaction.MaxOperations, changes.Count);
        Assert.All(changes, c => Assert.Equal(result.Revision, c.Revision));
    }

    [Fact]
    public async Task A_transaction_that_no_store_can_take_is_refused()
    {
        var twice = new Transaction([], [Operation.Put("/a", Bytes("1")), Operation.Delete("/a")]);
        var many = new Transaction([], Enumerable.Range(0, 101).Select(i => Operation.Delete($"/{i}")).ToArray());

        await Assert.ThrowsAsync<ArgumentException>(async () => await Store.CommitAsync(twice, Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Store.CommitAsync(many, Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(
            async () => await Store.CommitAsync(Transaction.Create("", Bytes("1")), Cancelled));
        await Assert.ThrowsAsync<ArgumentException>(
            async () => await Store.CommitAsync(Transaction.Create("\0x", Bytes("1")), Cancelled));
    }

    [Fact]
    public async Task Concurrent_increments_of_one_counter_are_all_counted()
    {
        var (callers, each) = (8, Math.Max(5, Effort / 40));
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(
            async () =>
            {
                for (var i = 0; i < each; i++)
                {
                    await IncrementAsync("/counter");
                }
            },
            Cancelled)));

        Assert.Equal(
            $"{callers * each}", Text((await Store.GetAsync("/counter", cancellationToken: Cancelled)).Entry));
    }

    [Fact]
    public async Task Concurrent_creates_of_one_key_have_one_winner()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 100).Select(
            i => Task.Run(() => Store.CommitAsync(Transaction.Create("/one", Bytes($"{i}")), Cancelled).AsTask(), Cancelled)));

        var winner = Assert.Single(results, r => r.Succeeded);
        var entry = (await Store.GetAsync("/one", cancellationToken: Cancelled)).Entry!;
        Assert.Equal(winner.Revision, entry.ModRevision);
        Assert.All(results.Where(r => !r.Succeeded), r => Assert.Equal(Text(entry), Text(r.Current[0])));
    }

    [Fact]
    public async Task Thousands_of_writers_at_once_all_get_a_revision_of_their_own_and_show_up_in_the_watch()
    {
        var before = await Store.CurrentRevisionAsync(Cancelled);
        var results = await Task.WhenAll(Enumerable.Range(0, Effort).Select(
            i => Task.Run(() => Store.CommitAsync(Transaction.Create($"/w/{i:00000}", Bytes($"{i}")), Cancelled).AsTask(), Cancelled)));

        Assert.All(results, r => Assert.True(r.Succeeded));
        Assert.Equal(Effort, results.Select(r => r.Revision).Distinct().Count());
        var (changes, _) = await WatchToAsync("/w/", before, results.Max(r => r.Revision));
        Assert.Equal(results.Select(r => r.Revision).Order(), changes.Select(c => c.Revision));
        var list = await Store.ListAsync(new ListRequest("/w/"), Cancelled);
        Assert.Equal(Enumerable.Range(0, Effort).Select(i => $"/w/{i:00000}={i}"), list.Entries.Select(e => $"{e.Key}={Text(e)}"));
    }

    [Fact]
    public async Task A_cancelled_call_ends_and_the_store_goes_on()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Store.CommitAsync(Transaction.Create("/a", Bytes("1")), cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Store.GetAsync("/a", cancellationToken: cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Store.ListAsync(new ListRequest("/"), cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Store.CurrentRevisionAsync(cancelled.Token));
        await PutAsync("/b", "2");
    }

    private async Task IncrementAsync(string key)
    {
        var entry = (await Store.GetAsync(key, cancellationToken: Cancelled)).Entry;
        while (true)
        {
            var next = entry is null ? 1 : int.Parse(Text(entry), CultureInfo.InvariantCulture) + 1;
            var result = await Store.CommitAsync(
                Transaction.Update(key, Bytes($"{next}"), entry?.ModRevision ?? Revision.None), Cancelled);
            if (result.Succeeded)
            {
                return;
            }

            entry = result.Current[0];
        }
    }
}
