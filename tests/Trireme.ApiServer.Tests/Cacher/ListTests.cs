using System.IO.Compression;
using System.Text.Json;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Tests.Cacher;

public sealed class ListTests
{
    [Fact]
    public async Task A_consistent_list_sees_every_acknowledged_write()
    {
        await using var cache = new CacheHarness();
        for (var i = 0; i < 50; i++)
        {
            var revision = await cache.PutAsync($"pod-{i:D3}");
            var (http, list) = await cache.ListAsync();

            Assert.Equal(i + 1, list.GetProperty("items").GetArrayLength());
            Assert.Equal(revision.ToString(), list.Version());
            Assert.Equal("PodList", list.GetProperty("kind").GetString());
            Assert.False(http.Response.Headers.ContainsKey("Warning"));
        }
    }

    [Fact]
    public async Task The_announced_length_is_the_length()
    {
        await using var cache = new CacheHarness();
        foreach (var count in (int[])[0, 1, 3])
        {
            for (var i = 0; i < count; i++)
            {
                await cache.PutAsync($"pod-{count}-{i}", ns: i % 2 == 0 ? "even" : "odd");
            }

            foreach (var ns in (string[])["", "even", "odd"])
            {
                foreach (var accept in (string[])["application/json", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"])
                {
                    var (http, body) = await cache.ListBytesAsync("limit=2", ns, accept);
                    Assert.Equal(http.Response.ContentLength, body.Length);
                }
            }
        }
    }

    [Fact]
    public async Task Pages_show_one_moment_however_much_is_written_between_them()
    {
        await using var cache = new CacheHarness();
        for (var i = 0; i < 10; i++)
        {
            await cache.PutAsync($"pod-{i}");
        }

        var (_, page) = await cache.ListAsync("limit=4");
        var first = page.Version();
        Assert.Equal(6, page.GetProperty("metadata").GetProperty("remainingItemCount").GetInt64());
        var names = page.Names().ToList();
        await cache.DeleteAsync("pod-7");
        await cache.PutAsync("pod-55");
        while (page.GetProperty("metadata").TryGetProperty("continue", out var token))
        {
            (_, page) = await cache.ListAsync($"limit=4&continue={token.GetString()}");
            Assert.Equal(first, page.Version());
            names.AddRange(page.Names());
        }

        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"pod-{i}"), names);
    }

    [Fact]
    public async Task A_page_of_another_server_is_continued_from_the_store()
    {
        await using var cache = new CacheHarness();
        var revision = Revision.None;
        for (var i = 0; i < 5; i++)
        {
            revision = await cache.PutAsync($"pod-{i}");
        }

        await cache.DeleteAsync("pod-4");
        var token = new ContinueToken(revision, "default/pod-2\0").Encode();
        var (_, page) = await cache.ListAsync($"limit=4&continue={token}");

        Assert.Equal(["pod-3", "pod-4"], page.Names());
        Assert.Equal(revision.ToString(), page.Version());
    }

    [Fact]
    public async Task An_expired_page_says_so_and_offers_to_go_on_inconsistently()
    {
        await using var cache = new CacheHarness();
        var old = await cache.PutAsync("pod-1");
        var newest = await cache.PutAsync("pod-2");
        await cache.ListAsync();
        await cache.Store.CompactAsync(newest);
        var token = new ContinueToken(old, "default/pod-1\0").Encode();

        var refused = await Assert.ThrowsAsync<ApiStatusException>(() => cache.ListAsync($"continue={token}"));
        Assert.Equal(("Expired", 410), (refused.Status.Reason, refused.Status.Code));
        var (_, rest) = await cache.ListAsync($"continue={refused.Status.Continue}");
        Assert.Equal(["pod-2"], rest.Names());
    }

    [Fact]
    public async Task Exact_gives_the_past_and_expired_history_is_410()
    {
        await using var cache = new CacheHarness();
        var then = await cache.PutAsync("pod-1");
        var newest = await cache.PutAsync("pod-2");

        var (_, list) = await cache.ListAsync($"resourceVersion={then}&resourceVersionMatch=Exact");
        Assert.Equal(["pod-1"], list.Names());
        Assert.Equal(then.ToString(), list.Version());

        await cache.PutAsync("pod-3");
        await cache.ListAsync();
        await cache.Store.CompactAsync(new Revision(newest.Value + 1));
        var refused = await Assert.ThrowsAsync<ApiStatusException>(
            () => cache.ListAsync($"resourceVersion={newest}&resourceVersionMatch=Exact"));
        Assert.Equal(410, refused.Status.Code);
    }

    [Fact]
    public async Task A_version_of_the_future_is_a_timeout_with_its_cause()
    {
        await using var cache = new CacheHarness();
        var newest = await cache.PutAsync("pod-1");

        var refused = await Assert.ThrowsAsync<ApiStatusException>(
            () => cache.ListAsync($"resourceVersion={newest.Value + 1000}&resourceVersionMatch=NotOlderThan"));
        Assert.Equal(504, refused.Status.Code);
        Assert.Equal("ResourceVersionTooLarge", refused.Status.Causes[0].Reason);
    }

    [Theory]
    [InlineData("resourceVersionMatch=Exact", 422)]
    [InlineData("resourceVersion=0&resourceVersionMatch=Exact", 422)]
    [InlineData("resourceVersion=5&resourceVersionMatch=Newest", 422)]
    [InlineData("resourceVersion=abc", 422)]
    [InlineData("continue=!!!", 400)]
    [InlineData("continue=e30", 400)]
    [InlineData("limit=x", 400)]
    public async Task Wrong_options_are_refused(string query, int code)
    {
        await using var cache = new CacheHarness();
        var refused = await Assert.ThrowsAsync<ApiStatusException>(() => cache.ListAsync(query));
        Assert.Equal(code, refused.Status.Code);
    }

    [Fact]
    public async Task Partial_metadata_holds_metadata_alone()
    {
        await using var cache = new CacheHarness();
        await cache.PutAsync("pod-1", labels: "\"app\":\"web\"");
        var (_, list) = await cache.ListAsync(accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");

        Assert.Equal("PartialObjectMetadataList", list.GetProperty("kind").GetString());
        var item = list.GetProperty("items")[0];
        Assert.Equal("PartialObjectMetadata", item.GetProperty("kind").GetString());
        Assert.Equal("web", item.GetProperty("metadata").GetProperty("labels").GetProperty("app").GetString());
        Assert.False(item.TryGetProperty("spec", out _));
    }

    [Fact]
    public async Task A_table_has_columns_and_a_row_for_each_object()
    {
        await using var cache = new CacheHarness();
        await cache.PutAsync("pod-1");
        await cache.PutAsync("pod-2");
        var (_, table) = await cache.ListAsync(accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");

        Assert.Equal("Table", table.GetProperty("kind").GetString());
        Assert.Equal("Name", table.GetProperty("columnDefinitions")[0].GetProperty("name").GetString());
        Assert.Equal(["pod-1", "pod-2"], table.GetProperty("rows").EnumerateArray().Select(r => r.GetProperty("cells")[0].GetString()));
        Assert.Equal("PartialObjectMetadata", table.GetProperty("rows")[0].GetProperty("object").GetProperty("kind").GetString());

        await using var watch = cache.Watch("", accept: "application/json;as=Table;v=v1;g=meta.k8s.io");
        Assert.NotEqual(0, (await watch.NextAsync())!.Value.Object.GetProperty("columnDefinitions").GetArrayLength());
        var second = (await watch.NextAsync())!.Value.Object;
        Assert.Equal(0, second.GetProperty("columnDefinitions").GetArrayLength());
        Assert.Equal("pod-2", second.GetProperty("rows")[0].GetProperty("cells")[0].GetString());
    }

    [Fact]
    public async Task Large_answers_are_compressed_for_those_who_can_read_it()
    {
        await using var cache = new CacheHarness();
        for (var i = 0; i < 40; i++)
        {
            await cache.PutAsync($"pod-{i}", padding: 5000);
        }

        var (plain, body) = await cache.ListBytesAsync();
        Assert.False(plain.Response.Headers.ContainsKey("Content-Encoding"));
        var (http, compressed) = await cache.ListBytesAsync(encoding: "gzip");
        Assert.Equal("gzip", http.Response.Headers.ContentEncoding.ToString());
        using var unzipped = new MemoryStream();
        await new GZipStream(new MemoryStream(compressed), CompressionMode.Decompress).CopyToAsync(unzipped, TestContext.Current.CancellationToken);
        Assert.Equal(body, unzipped.ToArray());
    }

    [Fact]
    public async Task A_client_that_accepts_no_json_is_refused()
    {
        await using var cache = new CacheHarness();
        var refused = await Assert.ThrowsAsync<ApiStatusException>(() => cache.ListAsync(accept: "application/vnd.kubernetes.protobuf"));
        Assert.Equal(406, refused.Status.Code);
        var (_, list) = await cache.ListAsync(accept: "application/vnd.kubernetes.protobuf,application/json");
        Assert.Equal("PodList", list.GetProperty("kind").GetString());
    }

    [Fact]
    public async Task A_list_of_many_objects_allocates_no_more_than_a_list_of_few()
    {
        await using var cache = new CacheHarness();
        await cache.PutAsync("few", ns: "few");
        for (var i = 0; i < 10_000; i += 100)
        {
            await cache.Store.CommitAsync(new Transaction(
                [],
                [.. Enumerable.Range(i, 100).Select(n => Operation.Put(CacheHarness.Key($"pod-{n}", "many"), CacheHarness.Pod($"pod-{n}", "many", padding: 600)))]));
        }

        await cache.ListAsync();
        var few = await MeasureAsync(cache, "few");
        var many = await MeasureAsync(cache, "many");

        // Buffers of the connection differ; the smallest object for each of 10,000 would be 240 KB.
        Assert.InRange(many - few, -200 * 1024, 200 * 1024);
    }

    private static async Task<long> MeasureAsync(CacheHarness cache, string ns)
    {
        var least = long.MaxValue;
        for (var i = 0; i < 200; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var listing = cache.ListToNullAsync(ns);
            Assert.True(listing.IsCompletedSuccessfully, "the list must complete on this thread");
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            await listing;
        }

        return least;
    }
}
