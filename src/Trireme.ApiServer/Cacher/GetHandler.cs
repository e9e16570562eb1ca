using Microsoft.AspNetCore.Http;
using Trireme.Api.Tables;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Cacher;

/// <summary>Answers a read of one object from the cache.</summary>
internal sealed class GetHandler(CacheReads reads, TimeProvider time)
{
    public async Task HandleAsync(HttpContext http, WatchCache cache, RequestInfo info, TableWriter tables)
    {
        var options = ReadOptions.Parse(http.Request.Query, watch: false);
        var shape = ResponseFormat.Negotiate(http.Request.Headers.Accept.ToString());
        var entry = await reads.FindAsync(http, cache, info, options.Match, options.Revision, http.RequestAborted);
        using var writer = new ShapeWriter(shape, cache.Resource, tables, http.Request.Query["includeObject"].ToString(), time);
        http.Response.ContentType = JsonAnswer.ContentType;
        var length = writer.LengthOf(entry);
        var compress = Compression.Begin(http, length ?? 0);
        http.Response.ContentLength = compress || length is null ? null : length + 1;
        await using var body = new ResponseBody(http.Response.BodyWriter, compress, http.RequestAborted);
        writer.WriteSingle(body, entry);
        body.Write("\n"u8);
        await body.FlushAsync(http.RequestAborted);
    }
}
