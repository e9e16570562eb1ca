using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Tests.Supervision;

public sealed class ComponentUnitTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _temporary = new();
    private readonly List<(ComponentUnit Unit, Task Run, CancellationTokenSource Cancel)> _runs = [];

    private MachineDirectory Machine => new(_temporary.Path);

    public ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Machine.Run);
        Directory.CreateDirectory(Machine.Logs);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_killed_component_is_started_again()
    {
        var unit = Run(Sleeper());
        var first = await UntilRunning(unit);
        Assert.True(unit.Send(Signal.Kill));
        await Until(() => unit.Status() is { State: ComponentStatus.Running, Pid: { } pid } && pid != first);
        Assert.Equal((1, "signal 9"), (unit.Status().Restarts, unit.Status().LastExit));
    }

    [Fact]
    public async Task A_supervisor_that_died_leaves_the_component_running_and_the_next_one_adopts_it()
    {
        var unit = Run(Sleeper());
        var pid = await UntilRunning(unit);
        await Abandon(unit);
        Assert.NotNull(LinuxProcess.Find(pid));

        var next = Run(Sleeper());
        Assert.Equal(pid, await UntilRunning(next));
        Assert.True(next.Status().Adopted);
    }

    [Fact]
    public async Task A_component_that_was_adopted_is_known_to_run_with_another_command_line()
    {
        var unit = Run(Sleeper());
        await UntilRunning(unit);
        await Abandon(unit);
        var next = Run(Sleeper());
        await UntilRunning(next);
        Assert.False(next.IsStale);
        next.Spec = Sleeper() with { Arguments = ["3601"] };
        await Until(() => next.IsStale); // at first a shell prepares the program
        next.Spec = Sleeper() with { Command = "/usr/bin/other", Arguments = ["3601"] };
        Assert.False(next.IsStale);
    }

    [Fact]
    public async Task The_death_of_an_adopted_component_is_seen()
    {
        var unit = Run(Sleeper());
        var pid = await UntilRunning(unit);
        await Abandon(unit);
        var next = Run(Sleeper());
        await UntilRunning(next);
        next.Send(Signal.Kill);
        await Until(() => next.Status() is { State: ComponentStatus.Running, Adopted: false, Pid: { } other } && other != pid);
    }

    [Fact]
    public async Task A_stopped_component_stays_down_until_it_is_started()
    {
        var unit = Run(Sleeper());
        var pid = await UntilRunning(unit);
        await unit.StopAsync(TestContext.Current.CancellationToken);
        Assert.Null(LinuxProcess.Find(pid));
        await Until(() => unit.Status().State == ComponentStatus.Stopped);
        unit.Start();
        Assert.NotEqual(pid, await UntilRunning(unit));
    }

    [Fact]
    public async Task A_component_that_ignores_the_signal_or_is_halted_is_killed()
    {
        var unit = Run(new ComponentSpec("stubborn", "/bin/sh", ["-c", "trap '' TERM; while :; do sleep 0.05; done"])
        {
            StopTimeout = TimeSpan.FromMilliseconds(200),
        });
        var pid = await UntilRunning(unit);
        unit.Send(Signal.Stop);
        await Until(() => unit.Status().State == ComponentStatus.Paused);
        await unit.StopAsync(TestContext.Current.CancellationToken);
        Assert.Null(LinuxProcess.Find(pid));
    }

    [Fact]
    public async Task A_restart_uses_the_newest_command_line()
    {
        var unit = Run(Sleeper());
        await UntilRunning(unit);
        unit.Spec = Sleeper() with { Arguments = ["3601"] };
        await unit.RestartAsync(TestContext.Current.CancellationToken);
        await Until(() => unit.Status().Pid is { } pid && CommandLine(pid).Contains("3601", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Output_goes_to_the_log_and_survives_the_supervisor()
    {
        var unit = Run(new ComponentSpec("talker", "/bin/sh", ["-c", "echo out; echo err >&2; exec sleep 3600"]));
        await UntilRunning(unit);
        await Until(() => File.Exists(Machine.LogOf("talker")) && File.ReadAllText(Machine.LogOf("talker")) == "out\nerr\n");
    }

    [Fact]
    public async Task A_log_is_moved_aside_when_it_has_grown()
    {
        var unit = Run(new ComponentSpec("talker", "/bin/sh", ["-c", "echo 0123456789; exec sleep 3600"]) { MaxLogBytes = 5 });
        await Until(() => new FileInfo(Machine.LogOf("talker")) is { Exists: true, Length: > 5 });
        unit.RotateLog();
        Assert.Equal("0123456789\n", File.ReadAllText(Machine.LogOf("talker") + ".1"));
        Assert.Equal(0, new FileInfo(Machine.LogOf("talker")).Length);
    }

    [Fact]
    public async Task A_missing_program_is_reported_and_retried()
    {
        var unit = Run(new ComponentSpec("absent", "/nonexistent/program", []));
        await Until(() => unit.Status() is { Restarts: >= 1, LastExit: "exit code 127" });
    }

    [Fact]
    public void A_pid_that_was_reused_is_not_taken_for_the_component()
    {
        var own = LinuxProcess.Find(Environment.ProcessId)!.Value;
        File.WriteAllText(Machine.PidFileOf("x"), $"{own.Pid} {own.StartTime + 1}\n");
        Assert.Null(ProcessLauncher.Recall(Machine.PidFileOf("x")));
        File.WriteAllText(Machine.PidFileOf("x"), $"{own.Pid} {own.StartTime}\n");
        Assert.Equal(own, ProcessLauncher.Recall(Machine.PidFileOf("x")));
    }

    [Fact]
    public void The_back_off_doubles_to_its_maximum_and_a_healthy_run_resets_it()
    {
        var backoff = new RestartBackoff();
        var delays = Enumerable.Range(0, 9).Select(_ => backoff.Next(TimeSpan.Zero).TotalSeconds).ToArray();
        Assert.Equal([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10], delays);
        Assert.Equal(RestartBackoff.Initial, backoff.Next(RestartBackoff.ResetAfter));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (unit, run, cancel) in _runs)
        {
            if (!run.IsCompleted)
            {
                await unit.StopAsync(CancellationToken.None);
            }

            await cancel.CancelAsync();
            await run.ContinueWith(_ => { }, TaskScheduler.Default);
            cancel.Dispose();
        }

        _temporary.Dispose();
    }

    private static ComponentSpec Sleeper() => new("sleeper", "/bin/sleep", ["3600"]);

    private static string CommandLine(int pid) => File.Exists($"/proc/{pid}/cmdline") ? File.ReadAllText($"/proc/{pid}/cmdline") : "";

    private ComponentUnit Run(ComponentSpec spec)
    {
        var unit = new ComponentUnit(spec, Machine, TimeProvider.System, NullLogger.Instance);
        var cancel = new CancellationTokenSource();
        _runs.Add((unit, unit.RunAsync(cancel.Token), cancel));
        return unit;
    }

    private async Task Abandon(ComponentUnit unit)
    {
        var (_, run, cancel) = _runs.Single(r => r.Unit == unit);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
    }

    private static async Task<int> UntilRunning(ComponentUnit unit)
    {
        await Until(() => unit.Status() is { State: ComponentStatus.Running, Pid: not null });
        return unit.Status().Pid!.Value;
    }

    private static async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
