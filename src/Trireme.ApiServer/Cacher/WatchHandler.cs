using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Tables;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Answers watches: a frame per event whose object's bytes are shared with every other watcher; events that are ready together are sent together.
/// </summary>
internal sealed class WatchHandler(CacheReads reads, TimeProvider time, Random random)
{
    /// <summary>Without a timeout of the client's a watch lives this long, or up to twice as long, so that watches spread over servers again.</summary>
    private static readonly TimeSpan s_timeoutMin = TimeSpan.FromMinutes(30);

    private readonly Lock _gate = new(); // guards the Random

    public async Task HandleAsync(HttpContext http, WatchCache cache, RequestInfo info, TableWriter tables)
    {
        var context = RequestContext.Of(http);
        var options = ReadOptions.Parse(http.Request.Query, watch: true);
        var filter = ObjectFilter.Create(cache.Resource, info);
        var shape = ResponseFormat.Negotiate(http.Request.Headers.Accept.ToString(), isStream: true);
        using var writer = new ShapeWriter(shape, cache.Resource, tables, http.Request.Query["includeObject"].ToString(), time);
        await WaitForStartAsync(http, cache, options);

        http.Response.ContentType = JsonAnswer.ContentType;
        http.Features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinResponseDataRateFeature>()?.MinDataRate = null;
        await using var body = new ResponseBody(http.Response.BodyWriter, compress: false, http.RequestAborted);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, context.Draining);
        using var timeout = new CancellationTokenSource(
            options.Timeout ?? DrawTimeout(), time);

        if (Open(cache, filter, options, out var snapshot, out var revision) is not { } watcher)
        {
            WriteTooOld(body, options.Revision, cache.Read().Revision);
            await body.FlushAsync(http.RequestAborted);
            return;
        }

        using (watcher)
        await using (ending.Token.UnsafeRegister(static state => ((CacheWatcher)state!).Stop(), watcher))
        await using (timeout.Token.UnsafeRegister(static state => ((CacheWatcher)state!).Stop(), watcher))
        {
            if (snapshot is not null
                && !await WriteInitialAsync(http, body, writer, snapshot.Range(cache.Resource.PrefixOf(info.Namespace)), filter))
            {
                return;
            }

            if (options is { SendInitialEvents: true, AllowWatchBookmarks: true })
            {
                WriteBookmark(body, writer, revision, initialEventsEnd: true);
            }

            // Also without a first event the client must learn now that its watch stands.
            if (await body.FlushAsync(http.RequestAborted))
            {
                context.ReleaseSlot();
                cache.Pace.Enter();
                try
                {
                    await StreamAsync(http, body, writer, watcher, cache.Pace);
                }
                finally
                {
                    cache.Pace.Leave();
                }
            }
        }
    }

    private TimeSpan DrawTimeout()
    {
        lock (_gate)
        {
            return s_timeoutMin + (s_timeoutMin * random.NextDouble());
        }
    }

    /// <summary>Opens the watch where the client asked; null when history does not reach back that far.</summary>
    private static CacheWatcher? Open(
        WatchCache cache, ObjectFilter filter, ReadOptions options, out ObjectSnapshot? snapshot, out Revision revision)
    {
        snapshot = null;
        revision = options.Revision;
        var fromNow = options.Match is VersionMatch.Consistent or VersionMatch.Any;
        if (!fromNow && options.SendInitialEvents != true)
        {
            return cache.Watch(filter, options.Revision, options.AllowWatchBookmarks);
        }

        (var watcher, var now, revision) = cache.WatchFromNow(filter, options.AllowWatchBookmarks);

        // Without sendInitialEvents a watch from no particular version begins with what there is, as it always has.
        snapshot = options.SendInitialEvents == false ? null : now;
        return watcher;
    }

    private async Task WaitForStartAsync(HttpContext http, WatchCache cache, ReadOptions options)
    {
        // A watch from a given version may begin before that version is here: events up to it are not sent.
        var match = options.Match == VersionMatch.NotOlderThan && options.SendInitialEvents != true ? VersionMatch.Any : options.Match;
        await reads.WaitAsync(http, cache, match, options.Revision, http.RequestAborted);
    }

    private static async Task<bool> WriteInitialAsync(
        HttpContext http, ResponseBody body, ShapeWriter writer, ObjectRange range, ObjectFilter filter)
    {
        foreach (var entry in range)
        {
            if (!filter.Matches(entry))
            {
                continue;
            }

            WriteEvent(body, writer, WatchEventType.Added, entry);
            if (!await body.FlushIfDueAsync(http.RequestAborted))
            {
                return false;
            }
        }

        return true;
    }

    private async Task StreamAsync(HttpContext http, ResponseBody body, ShapeWriter writer, CacheWatcher watcher, WatchPace pace)
    {
        var sentAt = time.GetTimestamp();
        do
        {
            await pace.WaitAsync(sentAt);
            var wrote = false;
            while (watcher.TryRead(out var next))
            {
                if (next.Type == WatchEventType.Bookmark)
                {
                    WriteBookmark(body, writer, next.Revision, initialEventsEnd: false);
                }
                else
                {
                    WriteEvent(body, writer, next.Type, next.Object);
                }

                wrote = true;
                if (!await body.FlushIfDueAsync(http.RequestAborted))
                {
                    return;
                }
            }

            if (wrote && !await body.FlushAsync(http.RequestAborted))
            {
                return;
            }

            sentAt = time.GetTimestamp();
        }
        while (await watcher.WaitAsync());
    }

    private static void WriteEvent(ResponseBody body, ShapeWriter writer, WatchEventType type, CacheEntry entry)
    {
        body.Write(type switch
        {
            WatchEventType.Added => "{\"type\":\"ADDED\",\"object\":"u8,
            WatchEventType.Modified => "{\"type\":\"MODIFIED\",\"object\":"u8,
            _ => "{\"type\":\"DELETED\",\"object\":"u8,
        });
        writer.WriteSingle(body, entry);
        body.Write("}\n"u8);
    }

    private static void WriteBookmark(ResponseBody body, ShapeWriter writer, Revision revision, bool initialEventsEnd)
    {
        body.Write("{\"type\":\"BOOKMARK\",\"object\":"u8);
        writer.WriteBookmark(body, revision, initialEventsEnd);
        body.Write("}\n"u8);
    }

    private static void WriteTooOld(ResponseBody body, Revision asked, Revision current)
    {
        body.Write("{\"type\":\"ERROR\",\"object\":"u8);
        body.Write(ApiStatus.TooOldResourceVersion(asked.Value, current.Value).ToUtf8());
        body.Write("}\n"u8);
    }
}
