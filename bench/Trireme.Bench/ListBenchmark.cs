using System.Text;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Registry;
using Trireme.Storage;
using Trireme.Storage.InMemory;

namespace Trireme.Bench;

/// <summary>
/// LIST of pods of 6 KB from the watch cache into nowhere. What to look at is <c>Allocated</c>: it must not grow with the number of objects.
/// </summary>
[MemoryDiagnoser]
public class ListBenchmark
{
    private readonly CancellationTokenSource _stop = new();
    private InMemoryStore _store = null!;
    private ResourceRegistry _registry = null!;
    private Task _running = Task.CompletedTask;

    [Params(100, 10_000)]
    public int Pods { get; set; }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _store = new InMemoryStore();
        for (var i = 0; i < Pods; i += 100)
        {
            await _store.CommitAsync(new Transaction([], [.. Enumerable.Range(i, 100).Select(n => Operation.Put($"/registry/pods/default/pod-{n:D6}", Pod(n)))]));
        }

        _registry = new ResourceRegistry(new ResourceRegistryOptions(), _store, TimeProvider.System, NullLoggerFactory.Instance);
        _running = _registry.RunAsync(_stop.Token);
        await _registry.WaitUntilCurrentAsync("", "pods", CancellationToken.None);
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await _store.DisposeAsync();
    }

    [Benchmark]
    public Task CachedAsync() => ListAsync("?resourceVersion=0");

    [Benchmark]
    public Task ConsistentAsync() => ListAsync("");

    [Benchmark]
    public Task BySelectorAsync() => ListAsync("?resourceVersion=0&fieldSelector=spec.nodeName%3Dnode-7");

    private async Task ListAsync(string query)
    {
        var http = new DefaultHttpContext();
        http.Request.Method = "GET";
        http.Request.Path = "/api/v1/pods";
        http.Request.QueryString = new QueryString(query);
        http.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(Stream.Null));
        await _registry.HandleAsync(http, RequestInfoFactory.Create(http), UserInfo.ApiServer);
    }

    private static byte[] Pod(int number) => Encoding.UTF8.GetBytes(
        $"{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"pod-{number:D6}\",\"namespace\":\"default\",\"labels\":{{\"app\":\"web\"}}}},"
        + $"\"spec\":{{\"nodeName\":\"node-{number % 100}\"}},\"status\":{{\"phase\":\"Running\",\"message\":\"{new string('x', 5900)}\"}}}}");
}
