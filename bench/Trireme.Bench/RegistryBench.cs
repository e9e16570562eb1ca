using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Registry;
using Trireme.Storage;
using Trireme.Storage.InMemory;

namespace Trireme.Bench;

/// <summary>An API server's resources over a store in memory, without network and client: what is left is the read path itself.</summary>
internal sealed class RegistryBench : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly InMemoryStore _store = new();
    private readonly ResourceRegistry _registry;
    private readonly Task _running;

    public RegistryBench()
    {
        _registry = new ResourceRegistry(new ResourceRegistryOptions(), _store, TimeProvider.System, NullLoggerFactory.Instance);
        _running = _registry.RunAsync(_stop.Token);
    }

    /// <summary>Writes pods of 6 KB to the store, a hundred in a transaction.</summary>
    public async Task PutPodsAsync(int from, int count)
    {
        for (var i = from; i < from + count; i += 100)
        {
            await _store.CommitAsync(new Transaction([], [.. Enumerable.Range(i, Math.Min(100, from + count - i)).Select(n => Operation.Put($"/registry/pods/default/pod-{n:D6}", Pod(n)))]));
        }
    }

    public async Task WaitUntilCurrentAsync() => await _registry.WaitUntilCurrentAsync("", "pods", CancellationToken.None);

    /// <summary>One GET whose answer goes into <paramref name="body"/>.</summary>
    public Task GetAsync(string query, Stream body, CancellationToken aborted = default)
    {
        var http = new DefaultHttpContext { RequestAborted = aborted };
        http.Request.Method = "GET";
        http.Request.Path = "/api/v1/pods";
        http.Request.QueryString = new QueryString(query);
        http.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(body));
        var info = RequestInfoFactory.Create(http);
        http.Features.Set(new RequestContext { Info = info, User = UserInfo.ApiServer, Authorizer = new UnionAuthorizer([]), Draining = aborted, AuditId = "" });
        return _registry.HandleAsync(http, info, UserInfo.ApiServer);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await _store.DisposeAsync();
        _stop.Dispose();
    }

    private static byte[] Pod(int number) => Encoding.UTF8.GetBytes(
        $"{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"pod-{number:D6}\",\"namespace\":\"default\",\"labels\":{{\"app\":\"web\"}}}},"
        + $"\"spec\":{{\"nodeName\":\"node-{number % 100}\"}},\"status\":{{\"phase\":\"Running\",\"message\":\"{new string('x', 5900)}\"}}}}");
}
