using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Kubelet.NodeStatus;
using Trireme.TestKit;
using Trireme.TestKit.Cri;

namespace Trireme.Kubelet.Tests.NodeStatus;

public sealed class RuntimeMonitorTests
{
    [Fact]
    public async Task A_runtime_is_down_only_after_it_was_silent_for_half_a_minute()
    {
        var time = new FakeTimeProvider(Pods.Noon);
        var cri = new FakeCri(time);
        var monitor = new RuntimeMonitor(cri, time, NullLogger<RuntimeMonitor>.Instance);
        using var stop = new CancellationTokenSource();
        var running = monitor.RunAsync(stop.Token);
        await Eventually.HoldsAsync(() => monitor.RuntimeProblem is null, "the runtime is ready");

        cri.IsDown = true;
        var silentSince = time.GetUtcNow();
        await UntilAsync(() => monitor.RuntimeProblem is not null, "the runtime is down");
        Assert.True(time.GetUtcNow() - silentSince >= TimeSpan.FromSeconds(30));

        cri.IsDown = false;
        await UntilAsync(() => monitor.RuntimeProblem is null, "the runtime is ready again");
        await stop.CancelAsync();
        await running;

        Task UntilAsync(Func<bool> condition, string what) => Eventually.HoldsAsync(
            () =>
            {
                time.Advance(TimeSpan.FromMilliseconds(500));
                return condition();
            },
            what);
    }
}
