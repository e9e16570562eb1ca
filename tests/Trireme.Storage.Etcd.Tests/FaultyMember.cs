using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Trireme.Storage.Etcd.Rpc;

namespace Trireme.Storage.Etcd.Tests;

/// <summary>Stands before a real member and lets a test decide what becomes of each call: answered as it is, held back, refused, carried out but answered with an error.</summary>
/// <remarks>Unary calls only.</remarks>
internal sealed class FaultyMember : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpMessageInvoker _member = new(new SocketsHttpHandler { UseProxy = false });

    private FaultyMember(WebApplication app) => _app = app;

    /// <summary>Where clients connect.</summary>
    public Uri Url { get; private set; } = null!;

    /// <summary>What becomes of a transaction; null passes it on. The second argument passes it on and brings the answer, also when its client has long gone.</summary>
    public Func<TxnRequest, Func<Task<Reply>>, Task<Reply>>? OnTxn { get; set; }

    /// <summary>What becomes of a read.</summary>
    public Func<RangeRequest, Func<Task<Reply>>, Task<Reply>>? OnRange { get; set; }

    public static async Task<FaultyMember> StartAsync(Uri member)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        var faulty = new FaultyMember(builder.Build());
        faulty._app.Run(http => faulty.AnswerAsync(http, member));
        await faulty._app.StartAsync();
        faulty.Url = new Uri(faulty._app.Urls.First());
        return faulty;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        _member.Dispose();
    }

    private async Task AnswerAsync(HttpContext http, Uri member)
    {
        using var buffer = new MemoryStream();
        await http.Request.Body.CopyToAsync(buffer);
        var (path, body) = (http.Request.Path.Value!, buffer.ToArray());

        // In front of the message: whether it is compressed, and its length.
        var message = body.AsSpan(5);
        Func<Task<Reply>> pass = () => PassAsync(new Uri(member, path), body);
        var reply = path switch
        {
            "/etcdserverpb.KV/Txn" when OnTxn is { } decide => decide(TxnRequest.Parser.ParseFrom(message), pass),
            "/etcdserverpb.KV/Range" when OnRange is { } decide => decide(RangeRequest.Parser.ParseFrom(message), pass),
            _ => pass(),
        };
        var (bytes, status, detail) = await reply.WaitAsync(http.RequestAborted);
        http.Response.ContentType = "application/grpc";
        await http.Response.Body.WriteAsync(bytes);
        http.Response.AppendTrailer("grpc-status", $"{status}");
        http.Response.AppendTrailer("grpc-message", detail);
    }

    private async Task<Reply> PassAsync(Uri url, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, url)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/grpc") } },
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        using var response = await _member.SendAsync(request, CancellationToken.None);
        var bytes = await response.Content.ReadAsByteArrayAsync();
        return new Reply(bytes, int.Parse(Trailer("grpc-status") ?? "0", CultureInfo.InvariantCulture), Uri.UnescapeDataString(Trailer("grpc-message") ?? ""));

        string? Trailer(string name) =>
            response.TrailingHeaders.TryGetValues(name, out var values) || response.Headers.TryGetValues(name, out values) ? values.First() : null;
    }

    /// <summary>An answer: the framed message, the status code, and the text of an error.</summary>
    internal sealed record Reply(byte[] Body, int Status, string Detail)
    {
        public static Reply Error(Grpc.Core.StatusCode code, string detail) => new([], (int)code, detail);
    }
}
