using Microsoft.Extensions.Time.Testing;
using Trireme.Component.Lifetime;
using Trireme.TestKit;

namespace Trireme.Component.Tests.Lifetime;

public sealed class HaltWatchTests
{
    [Fact]
    public void Time_that_passes_while_the_process_runs_is_no_halt()
    {
        var time = new FakeTimeProvider();
        using var watch = new HaltWatch(time);
        for (var i = 0; i < 100; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(500));
        }

        Assert.Equal(0, watch.Halts);
    }

    [Fact]
    public void The_first_who_asks_after_a_halt_hears_of_it_and_everybody_is_told_once()
    {
        var time = new HaltingTime();
        using var watch = new HaltWatch(time);
        var told = 0;
        watch.Resumed += () => Interlocked.Increment(ref told);

        time.Halt(TimeSpan.FromSeconds(3));
        Assert.Equal(1, watch.Halts);
        Assert.Equal(1, watch.Halts);
        time.Halt(TimeSpan.FromHours(3));
        Assert.Equal(2, watch.Halts);
        Assert.Equal(2, Volatile.Read(ref told));
    }

    [Fact]
    public void A_hiccup_is_no_halt()
    {
        var time = new HaltingTime();
        using var watch = new HaltWatch(time);
        time.Halt(TimeSpan.FromSeconds(1));
        Assert.Equal(0, watch.Halts);
    }

    [Fact]
    public async Task Without_anybody_asking_the_timer_notices()
    {
        var time = new HaltingTime();
        using var watch = new HaltWatch(time);
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        watch.Resumed += told.SetResult;
        time.Halt(TimeSpan.FromSeconds(3));
        await told.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }
}
