using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Schema;
using Trireme.Api.Tables;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;
using Trireme.Storage.InMemory;

namespace Trireme.ApiServer.Tests.Cacher;

/// <summary>A store, a running feed and one cache of pods, with requests that need no connection.</summary>
internal sealed class CacheHarness : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private readonly ListHandler _list;
    private readonly WatchHandler _watch;
    private readonly GetHandler _get;

    public CacheHarness(IRevisionedStore? store = null, bool run = true, Action<InMemoryStore>? seed = null)
    {
        Memory = store as InMemoryStore ?? new InMemoryStore();
        Store = store ?? Memory;
        seed?.Invoke(Memory);
        Reflector = new Reflector(Store, "/registry/", TimeProvider.System, NullLogger<Reflector>.Instance);
        Pods = Reflector.Add(new CachedResource(BuiltInResources.Get("v1", "Pod"), "/registry/"));
        var reads = new CacheReads(Reflector, new ConsistentReads(Store, Reflector, TimeProvider.System), TimeProvider.System);
        _list = new ListHandler(reads, TimeProvider.System);
        _watch = new WatchHandler(reads, TimeProvider.System, new Random(1));
        _get = new GetHandler(reads, TimeProvider.System);
        _running = run ? Reflector.RunAsync(_stop.Token) : Task.CompletedTask;
    }

    public InMemoryStore Memory { get; }

    public IRevisionedStore Store { get; }

    public Reflector Reflector { get; }

    public WatchCache Pods { get; }

    public static byte[] Pod(string name, string ns = "default", string labels = "", string node = "", int padding = 0) =>
        Encoding.UTF8.GetBytes(
            $"{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"{ns}\",\"labels\":{{{labels}}}}},"
            + $"\"spec\":{{\"nodeName\":\"{node}\"}},\"status\":{{\"phase\":\"Pending\",\"message\":\"{new string('x', padding)}\"}}}}");

    public static string Key(string name, string ns = "default") => $"/registry/pods/{ns}/{name}";

    public async Task<Revision> PutAsync(string name, string ns = "default", string labels = "", string node = "", int padding = 0) =>
        (await Store.CommitAsync(new Transaction([], [Operation.Put(Key(name, ns), Pod(name, ns, labels, node, padding))]))).Revision;

    public async Task<Revision> DeleteAsync(string name, string ns = "default") =>
        (await Store.CommitAsync(new Transaction([], [Operation.Delete(Key(name, ns))]))).Revision;

    public async Task<(HttpContext Http, JsonElement Body)> ListAsync(string query = "", string ns = "", string accept = "application/json")
    {
        var (http, bytes) = await ListBytesAsync(query, ns, accept);
        return (http, JsonDocument.Parse(bytes).RootElement);
    }

    public async Task<(HttpContext Http, byte[] Body)> ListBytesAsync(string query = "", string ns = "", string accept = "application/json", string encoding = "")
    {
        var body = new MemoryStream();
        var http = Context($"/api/v1/{(ns.Length > 0 ? $"namespaces/{ns}/" : "")}pods", query, accept, body);
        http.Request.Headers.AcceptEncoding = encoding;
        await _list.HandleAsync(http, Pods, RequestInfoFactory.Create(http), new TableWriter(Pods.Resource.Definition));
        await http.Response.BodyWriter.FlushAsync();
        return (http, body.ToArray());
    }

    /// <summary>Lists from the cache into nowhere.</summary>
    public Task ListToNullAsync(string ns)
    {
        var http = Context($"/api/v1/namespaces/{ns}/pods", "resourceVersion=0", "application/json", Stream.Null);
        return _list.HandleAsync(http, Pods, RequestInfoFactory.Create(http), new TableWriter(Pods.Resource.Definition));
    }

    public async Task<JsonElement> GetAsync(string name, string ns = "default", string accept = "application/json")
    {
        var body = new MemoryStream();
        var http = Context($"/api/v1/namespaces/{ns}/pods/{name}", "", accept, body);
        await _get.HandleAsync(http, Pods, RequestInfoFactory.Create(http), new TableWriter(Pods.Resource.Definition));
        return JsonDocument.Parse(body.ToArray()).RootElement;
    }

    /// <summary>Opens a watch; the test reads its lines.</summary>
    public WatchClient Watch(string query, string ns = "", string accept = "application/json")
    {
        var pipe = new Pipe();
        var http = Context($"/api/v1/{(ns.Length > 0 ? $"namespaces/{ns}/" : "")}pods", "watch=true&" + query, accept, pipe.Writer.AsStream());
        var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        http.RequestAborted = stop.Token;
        async Task AnswerAsync()
        {
            try
            {
                await _watch.HandleAsync(http, Pods, RequestInfoFactory.Create(http), new TableWriter(Pods.Resource.Definition));
            }
            finally
            {
                await pipe.Writer.CompleteAsync();
            }
        }

        return new WatchClient(AnswerAsync(), pipe.Reader, stop);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await Store.DisposeAsync();
        _stop.Dispose();
    }

    private DefaultHttpContext Context(string path, string query, string accept, Stream body)
    {
        var http = new DefaultHttpContext { RequestAborted = _stop.Token };
        http.Request.Method = "GET";
        http.Request.Path = path;
        http.Request.QueryString = new QueryString("?" + query);
        http.Request.Headers.Accept = accept;
        http.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(body));
        http.Features.Set(new RequestContext
        {
            Info = RequestInfoFactory.Create(http),
            Authorizer = null!,
            Draining = CancellationToken.None,
            AuditId = "",
        });
        return http;
    }
}

/// <summary>The receiving end of a watch.</summary>
internal sealed class WatchClient(Task answer, PipeReader reader, CancellationTokenSource stop) : IAsyncDisposable
{
    private readonly StreamReader _lines = new(reader.AsStream());

    public Task Answer => answer;

    /// <summary>The next event; null when the watch has ended.</summary>
    public async Task<(string Type, JsonElement Object)?> NextAsync()
    {
        var line = await _lines.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20));
        if (line is null)
        {
            return null;
        }

        var frame = JsonDocument.Parse(line).RootElement;
        return (frame.GetProperty("type").GetString()!, frame.GetProperty("object"));
    }

    /// <summary>The next event as type, name and resourceVersion.</summary>
    public async Task<string> NextTextAsync() =>
        await NextAsync() is { } next ? $"{next.Type} {next.Object.Name()} {next.Object.Version()}" : "END";

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await answer.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _lines.Dispose();
        stop.Dispose();
    }
}

internal static class JsonElementExtensions
{
    public static string Name(this JsonElement obj) =>
        obj.GetProperty("metadata").TryGetProperty("name", out var name) ? name.GetString()! : "";

    public static string Version(this JsonElement obj) => obj.GetProperty("metadata").GetProperty("resourceVersion").GetString()!;

    public static string[] Names(this JsonElement list) => [.. list.GetProperty("items").EnumerateArray().Select(i => i.Name())];
}
