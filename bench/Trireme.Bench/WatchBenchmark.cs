using BenchmarkDotNet.Attributes;

namespace Trireme.Bench;

/// <summary>
/// A hundred changes of pods of 6 KB, each delivered to every watcher. What to look at is <c>Allocated</c>: a change costs its bytes once, in the
/// cache, and nothing per watcher but what a connection takes to wake up.
/// </summary>
[MemoryDiagnoser]
public class WatchBenchmark
{
    private const int Changes = 100;

    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _watches = [];
    private RegistryBench _bench = null!;
    private CountdownEvent _delivered = null!;

    [Params(1, 100, 1000)]
    public int Watchers { get; set; }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _bench = new RegistryBench();
        await _bench.PutPodsAsync(0, Changes);
        await _bench.WaitUntilCurrentAsync();
        _delivered = new CountdownEvent(1);
        using var started = new CountdownEvent(Watchers);
        for (var i = 0; i < Watchers; i++)
        {
            // A watch begins with what there is.
            var signal = started;
            var events = 0;
            var body = new CountingStream(count =>
            {
                events += count;
                if (events >= Changes)
                {
                    events -= Changes;
                    signal.Signal();
                    signal = _delivered;
                }
            });
            _watches.Add(_bench.GetAsync("?watch=true", body, _stop.Token));
        }

        started.Wait();
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_watches);
        await _bench.DisposeAsync();
    }

    [Benchmark(OperationsPerInvoke = Changes)]
    public async Task DeliverAsync()
    {
        _delivered.Reset(Watchers);
        await _bench.PutPodsAsync(0, Changes);
        _delivered.Wait();
    }
}
