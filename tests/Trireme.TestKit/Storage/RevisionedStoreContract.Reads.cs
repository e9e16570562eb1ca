using Trireme.Storage;
using Xunit;

namespace Trireme.TestKit.Storage;

public abstract partial class RevisionedStoreContract
{
    [Fact]
    public async Task An_absent_key_is_read_as_absent_at_a_revision_that_is_never_zero()
    {
        var result = await Store.GetAsync("/nothing", cancellationToken: Cancelled);

        Assert.Null(result.Entry);
        Assert.True(result.Revision > Revision.None);
    }

    [Fact]
    public async Task A_key_keeps_its_create_revision_until_it_is_deleted()
    {
        var first = await PutAsync("/a", "1");
        var second = await PutAsync("/a", "2");
        var entry = (await Store.GetAsync("/a", cancellationToken: Cancelled)).Entry!;
        Assert.Equal(("2", first, second), (Text(entry), entry.CreateRevision, entry.ModRevision));

        await DeleteAsync("/a");
        var third = await PutAsync("/a", "3");
        entry = (await Store.GetAsync("/a", cancellationToken: Cancelled)).Entry!;
        Assert.Equal(("3", third, third), (Text(entry), entry.CreateRevision, entry.ModRevision));
    }

    [Fact]
    public async Task Every_revision_can_be_read_again()
    {
        var one = await PutAsync("/a", "1");
        var two = await PutAsync("/b", "2");
        var three = await PutAsync("/a", "3");
        var four = await DeleteAsync("/b");

        Assert.Equal("/a=1", await ListTextAsync(new ListRequest("/", one)));
        Assert.Equal("/a=1 /b=2", await ListTextAsync(new ListRequest("/", two)));
        Assert.Equal("/a=3 /b=2", await ListTextAsync(new ListRequest("/", three)));
        Assert.Equal("/a=3", await ListTextAsync(new ListRequest("/", four)));
        Assert.Equal("1", Text((await Store.GetAsync("/a", two, Cancelled)).Entry));
        Assert.Equal("-", Text((await Store.GetAsync("/b", one, Cancelled)).Entry));
        Assert.Equal(two, (await Store.GetAsync("/a", two, Cancelled)).Revision);
    }

    [Fact]
    public async Task A_list_holds_the_keys_of_its_prefix_only_in_order_of_their_bytes()
    {
        foreach (var key in (string[])["/p/b", "/p", "/p/", "/p0", "/p/\uFFFD", "/p/\U0001F600", "/p/a/x", "/q/a", "/p/a"])
        {
            await PutAsync(key, "v");
        }

        var result = await Store.ListAsync(new ListRequest("/p/"), Cancelled);

        Assert.Equal(["/p/", "/p/a", "/p/a/x", "/p/b", "/p/\uFFFD", "/p/\U0001F600"], result.Entries.Select(e => e.Key));
        Assert.Equal(0, result.Remaining);
    }

    [Fact]
    public async Task An_empty_prefix_lists_every_key()
    {
        await PutAsync("a", "1");
        await PutAsync("\uFFFD", "2");

        Assert.Equal("a=1 \uFFFD=2", await ListTextAsync(new ListRequest("")));
    }

    [Fact]
    public async Task A_limited_list_goes_on_behind_a_key_at_the_same_revision()
    {
        for (var i = 0; i < 25; i++)
        {
            await PutAsync($"/l/{i:00}", "old");
        }

        var page = await Store.ListAsync(new ListRequest("/l/", Limit: 10), Cancelled);
        Assert.Equal((10, 15L), (page.Entries.Count, page.Remaining));
        var revision = page.Revision;

        // What happens between pages does not show.
        await PutAsync("/l/24", "new");
        await DeleteAsync("/l/15");
        await PutAsync("/l/99", "new");
        var all = page.Entries.ToList();
        while (page.Remaining > 0)
        {
            page = await Store.ListAsync(new ListRequest("/l/", revision, 10, page.Entries[^1].Key), Cancelled);
            Assert.Equal(revision, page.Revision);
            all.AddRange(page.Entries);
        }

        Assert.Equal(Enumerable.Range(0, 25).Select(i => $"/l/{i:00}"), all.Select(e => e.Key));
        Assert.All(all, e => Assert.Equal("old", Text(e)));
        Assert.Equal(5, page.Entries.Count);
    }

    [Fact]
    public async Task A_list_goes_on_behind_a_key_that_is_gone_or_that_never_was()
    {
        await PutAsync("/c/a", "1");
        await PutAsync("/c/c", "2");

        Assert.Equal("/c/c=2", await ListTextAsync(new ListRequest("/c/", After: "/c/b")));
        Assert.Equal("", await ListTextAsync(new ListRequest("/c/", After: "/c/c")));
        Assert.Equal("/c/a=1 /c/c=2", await ListTextAsync(new ListRequest("/c/", After: "/b")));
        Assert.Equal("", await ListTextAsync(new ListRequest("/c/", After: "/d")));
    }

    [Fact]
    public async Task A_long_list_is_complete_and_of_one_revision()
    {
        const int count = 1_300;
        for (var i = 0; i < count; i += 100)
        {
            var puts = Enumerable.Range(i, 100).Select(n => Operation.Put($"/many/{n:0000}", new byte[1000])).ToArray();
            await Store.CommitAsync(new Transaction([], puts), Cancelled);
        }

        // Every transaction moves a marker from one end of the range to the other: a list of one revision shows exactly one.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var mover = Task.Run(
            async () =>
            {
                for (var n = 0; !stop.IsCancellationRequested; n++)
                {
                    var (from, to) = n % 2 == 0 ? ("/many/~", "/many/!") : ("/many/!", "/many/~");
                    await Store.CommitAsync(new Transaction([], [Operation.Delete(from), Operation.Put(to, Bytes("m"))]), Cancelled);
                }
            },
            Cancelled);
        await Eventually.HoldsAsync(
            async () => (await Store.ListAsync(new ListRequest("/many/!"), Cancelled)).Entries.Count == 1, "marker");
        for (var i = 0; i < 5; i++)
        {
            var result = await Store.ListAsync(new ListRequest("/many/"), Cancelled);
            Assert.Equal(count + 1, result.Entries.Count);
            Assert.Single(result.Entries, e => e.Value.Length == 1);
            Assert.True(result.Entries.Zip(result.Entries.Skip(1)).All(p => KeyOrder.Instance.Compare(p.First.Key, p.Second.Key) < 0));
        }

        await stop.CancelAsync();
        await mover;
    }

    [Fact]
    public async Task Reading_a_revision_that_is_still_to_come_is_refused()
    {
        var future = new Revision((await PutAsync("/a", "1")).Value + 1_000_000);

        await Assert.ThrowsAsync<StoreFutureRevisionException>(async () => await Store.GetAsync("/a", future, Cancelled));
        await Assert.ThrowsAsync<StoreFutureRevisionException>(
            async () => await Store.ListAsync(new ListRequest("/", future), Cancelled));
        await Assert.ThrowsAsync<StoreFutureRevisionException>(async () => await Store.CompactAsync(future, Cancelled));
    }

    [Fact]
    public async Task The_current_revision_is_at_least_that_of_every_acknowledged_commit()
    {
        for (var i = 0; i < 20; i++)
        {
            var written = await PutAsync("/a", $"{i}");
            Assert.True(await Store.CurrentRevisionAsync(Cancelled) >= written);
            Assert.True((await Store.ListAsync(new ListRequest("/none/"), Cancelled)).Revision >= written);
        }
    }

    [Fact]
    public async Task Values_come_back_byte_for_byte()
    {
        var all = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        await Store.CommitAsync(Transaction.Create("/bytes", all.AsMemory(3, 200)), Cancelled);
        await Store.CommitAsync(Transaction.Create("/empty", Array.Empty<byte>()), Cancelled);
        await Store.CommitAsync(Transaction.Create("/big", new byte[1_000_000]), Cancelled);

        Assert.Equal(all[3..203], (await Store.GetAsync("/bytes", cancellationToken: Cancelled)).Entry!.Value.ToArray());
        Assert.Equal(0, (await Store.GetAsync("/empty", cancellationToken: Cancelled)).Entry!.Value.Length);
        Assert.Equal(1_000_000, (await Store.GetAsync("/big", cancellationToken: Cancelled)).Entry!.Value.Length);
    }

    private async Task<string> ListTextAsync(ListRequest request) => Show((await Store.ListAsync(request, Cancelled)).Entries);
}
