using Trireme.ApiServer.Registry;

namespace Trireme.ApiServer.Tests.Registry;

public sealed class FateSharingTests
{
    [Fact]
    public async Task The_first_loop_that_fails_ends_the_others_and_is_reported()
    {
        var fails = new TaskCompletionSource();
        var other = false;
        var running = FateSharing.RunAsync([_ => fails.Task, UntilCancelledAsync], CancellationToken.None);
        Assert.False(running.IsCompleted);
        fails.SetException(new InvalidOperationException("broken"));

        Assert.Equal("broken", (await Assert.ThrowsAsync<InvalidOperationException>(() => running)).Message);
        Assert.True(other);

        async Task UntilCancelledAsync(CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            other = true;
        }
    }

    [Fact]
    public async Task Loops_that_are_told_to_stop_stop()
    {
        using var stop = new CancellationTokenSource();
        var running = FateSharing.RunAsync(
            [async token => await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing)], stop.Token);
        await stop.CancelAsync();
        await running;
    }
}
