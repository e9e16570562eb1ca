using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.ApiServer.Health;
using Trireme.ApiServer.Tests.Pipeline;
using Trireme.Component.Metrics;
using Trireme.Storage.InMemory;

namespace Trireme.ApiServer.Tests.Health;

public sealed class StoreProbeTests
{
    [Fact]
    public async Task A_probe_survives_whatever_the_store_throws_and_says_so()
    {
        await using var inner = new InMemoryStore();
        var store = new UnreliableStore(inner) { AnswersGoOn = Task.FromException(new InvalidOperationException("broken")) };
        var probe = new StoreProbe(store, new MetricsRegistry(), new FakeTimeProvider(), NullLogger<StoreProbe>.Instance);
        using var stop = new CancellationTokenSource();
        var running = probe.RunAsync(stop.Token);

        Assert.Equal("broken", probe.Check.Check());
        Assert.False(running.IsCompleted);
        await stop.CancelAsync();
        await running;
    }
}
