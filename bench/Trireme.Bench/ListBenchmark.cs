using BenchmarkDotNet.Attributes;

namespace Trireme.Bench;

/// <summary>
/// LIST of pods of 6 KB from the watch cache into nowhere. What to look at is <c>Allocated</c>: it must not grow with the number of objects.
/// </summary>
[MemoryDiagnoser]
public class ListBenchmark
{
    private RegistryBench _bench = null!;

    [Params(100, 10_000)]
    public int Pods { get; set; }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _bench = new RegistryBench();
        await _bench.PutPodsAsync(0, Pods);
        await _bench.WaitUntilCurrentAsync();
    }

    [GlobalCleanup]
    public async Task CleanupAsync() => await _bench.DisposeAsync();

    [Benchmark]
    public Task CachedAsync() => _bench.GetAsync("?resourceVersion=0", Stream.Null);

    [Benchmark]
    public Task ConsistentAsync() => _bench.GetAsync("", Stream.Null);

    [Benchmark]
    public Task BySelectorAsync() => _bench.GetAsync("?resourceVersion=0&fieldSelector=spec.nodeName%3Dnode-7", Stream.Null);
}
