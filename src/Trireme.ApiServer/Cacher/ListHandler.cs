using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Tables;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Answers lists by copying the cached bytes of the objects that match: nothing is parsed and nothing is allocated per object.
/// </summary>
internal sealed class ListHandler(CacheReads reads, TimeProvider time)
{
    public async Task HandleAsync(HttpContext http, WatchCache cache, RequestInfo info, TableWriter tables)
    {
        var options = ReadOptions.Parse(http.Request.Query, watch: false);
        var filter = ObjectFilter.Create(cache.Resource, info);
        var shape = ResponseFormat.Negotiate(http.Request.Headers.Accept.ToString());
        var (snapshot, revision, start) = await SelectAsync(http, cache, options);

        var range = snapshot.Range(cache.Resource.PrefixOf(info.Namespace), start);
        using var writer = new ShapeWriter(shape, cache.Resource, tables, http.Request.Query["includeObject"].ToString(), time);
        var page = Page.Measure(range, filter, options.Limit, writer, shape);
        string? next = null;
        if (page.More)
        {
            next = new ContinueToken(revision, page.LastKey![cache.Resource.Prefix.Length..] + '\0').Encode();
            cache.Pin(revision, snapshot);
        }

        var head = writer.ListHead(revision, next, filter.MatchesAll ? page.Remaining : null);
        var length = page.Utf8Length + head.Length + Math.Max(page.Count - 1, 0) + ShapeWriter.ListTail.Length;
        var compress = Compression.Begin(http, shape == ResponseShape.Table ? page.Count * 512L : length);
        http.Response.ContentType = JsonAnswer.ContentType;
        if (!compress && shape != ResponseShape.Table)
        {
            http.Response.ContentLength = length;
        }

        await WriteAsync(http, range, filter, page.Count, head, writer, compress);
    }

    /// <summary>The state to list, and the key to start from when the list is a continuation.</summary>
    private async Task<(ObjectSnapshot Snapshot, Revision Revision, string? Start)> SelectAsync(
        HttpContext http, WatchCache cache, ReadOptions options)
    {
        if (options.Continue.Length > 0)
        {
            return await ContinueAsync(http, cache, options);
        }

        await reads.WaitAsync(http, cache, options.Match, options.Revision, http.RequestAborted);
        if (options.Match != VersionMatch.Exact)
        {
            var (newest, revision) = cache.Read();
            return (newest, revision, null);
        }

        try
        {
            return (await reads.ReadAtAsync(cache, options.Revision, http.RequestAborted), options.Revision, null);
        }
        catch (StoreCompactedException)
        {
            throw new ApiStatusException(ApiStatus.Expired("The resourceVersion for the provided list is too old."));
        }
    }

    private async Task<(ObjectSnapshot Snapshot, Revision Revision, string? Start)> ContinueAsync(
        HttpContext http, WatchCache cache, ReadOptions options)
    {
        if (!ContinueToken.TryDecode(options.Continue, out var token, out var error))
        {
            throw new ApiStatusException(ApiStatus.BadRequest(error));
        }

        var start = cache.Resource.Prefix + token.Start;
        if (token.Revision is not { } revision)
        {
            await reads.WaitAsync(http, cache, VersionMatch.Consistent, default, http.RequestAborted);
            var (newest, newestRevision) = cache.Read();
            return (newest, newestRevision, start);
        }

        try
        {
            await reads.WaitAsync(http, cache, VersionMatch.Exact, revision, http.RequestAborted);
            return (await reads.ReadAtAsync(cache, revision, http.RequestAborted), revision, start);
        }
        catch (StoreCompactedException)
        {
            throw Expired(token);
        }
    }

    private static ApiStatusException Expired(ContinueToken token) => new(ApiStatus.Expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
        + "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
        + "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted "
        + "between the time the first chunk was returned and now may show up in the list.") with
    {
        Continue = (token with { Revision = null }).Encode(),
    });

    private static async Task WriteAsync(
        HttpContext http, ObjectRange range, ObjectFilter filter, int count, byte[] head, ShapeWriter writer, bool compress)
    {
        await using var body = new ResponseBody(http.Response.BodyWriter, compress, http.RequestAborted);
        body.Write(head);
        var written = 0;
        if (count > 0)
        {
            foreach (var entry in range)
            {
                if (!filter.Matches(entry))
                {
                    continue;
                }

                if (written > 0)
                {
                    body.Write(","u8);
                }

                writer.WriteItem(body, entry);
                if (!await body.FlushIfDueAsync(http.RequestAborted))
                {
                    return;
                }

                if (++written == count)
                {
                    break;
                }
            }
        }

        body.Write(ShapeWriter.ListTail);
    }

    /// <summary>How much of a range an answer holds.</summary>
    private readonly record struct Page(int Count, long Utf8Length, bool More, long Remaining, string? LastKey)
    {
        public static Page Measure(ObjectRange range, ObjectFilter filter, int limit, ShapeWriter writer, ResponseShape shape)
        {
            if (filter.MatchesAll && limit == 0 && shape == ResponseShape.Object)
            {
                var (all, length) = range.Measure();
                return new Page(all, length, false, 0, null);
            }

            var count = 0;
            long bytes = 0;
            string? last = null;
            foreach (var entry in range)
            {
                if (!filter.Matches(entry))
                {
                    continue;
                }

                if (limit > 0 && count == limit)
                {
                    var total = filter.MatchesAll ? range.Measure().Count : count;
                    return new Page(count, bytes, true, total - count, last);
                }

                count++;
                bytes += writer.LengthOf(entry) ?? 0;
                last = entry.Key;
            }

            return new Page(count, bytes, false, 0, last);
        }
    }
}
