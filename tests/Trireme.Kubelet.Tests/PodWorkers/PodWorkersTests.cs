using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.PodWorkers;
using Trireme.TestKit;
using Workers = Trireme.Kubelet.PodWorkers.PodWorkers;

namespace Trireme.Kubelet.Tests.PodWorkers;

public sealed class PodWorkersTests : IPodSyncer, IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(Pods.Noon);
    private readonly List<string> _steps = [];
    private readonly Workers _workers;

    public PodWorkersTests() => _workers = new Workers(this, _time, TimeSpan.FromSeconds(60), new Random(1), NullLogger<Workers>.Instance);

    private Func<CancellationToken, Task<SyncOutcome>> OnSync { get; set; } = _ => Task.FromResult(new SyncOutcome(false));

    private Func<TimeSpan, CancellationToken, Task> OnTerminate { get; set; } = (_, _) => Task.CompletedTask;

    private Func<Task> OnTerminated { get; set; } = () => Task.CompletedTask;

    public ValueTask DisposeAsync() => _workers.DisposeAsync();

    [Fact]
    public async Task A_deleted_pod_terminates_once_and_finishes()
    {
        var pod = Pods.Make("a");
        _workers.Update(pod);
        await UntilAsync("sync");

        _workers.Update(Deleted(grace: 9));

        await UntilAsync("sync", "terminating 9", "terminated True");
        await Eventually.HoldsAsync(() => _workers.StateOf("uid-1") == PodWorkState.Finished, "finished");
        Assert.True(_workers.TryForget("uid-1"));
        Assert.Null(_workers.StateOf("uid-1"));
    }

    [Fact]
    public async Task Deletion_interrupts_a_sync_that_hangs()
    {
        OnSync = async token =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            return default;
        };
        _workers.Update(Pods.Make("a"));
        await UntilAsync("sync");

        _workers.Update(Deleted(grace: 1));

        await UntilAsync("sync", "terminating 1", "terminated True");
    }

    [Fact]
    public async Task A_shorter_grace_period_hastens_a_termination_and_a_longer_one_does_not()
    {
        OnTerminate = (grace, token) => grace > TimeSpan.FromSeconds(5) ? Task.Delay(Timeout.InfiniteTimeSpan, token) : Task.CompletedTask;
        _workers.Update(Deleted(grace: 30));
        await UntilAsync("terminating 30");

        _workers.Update(Deleted(grace: 60));
        _workers.Update(Deleted(grace: 2));

        await UntilAsync("terminating 30", "terminating 2", "terminated True");
    }

    [Fact]
    public async Task A_pod_that_ended_is_taken_down_again_when_it_is_deleted()
    {
        OnSync = _ => Task.FromResult(new SyncOutcome(IsTerminal: true));
        _workers.Update(Pods.Make("a"));
        await UntilAsync("sync", "terminating 30", "terminated False");
        await Eventually.HoldsAsync(() => _workers.StateOf("uid-1") == PodWorkState.Finished, "finished");

        _workers.Update(Deleted(grace: 30));

        await UntilAsync("sync", "terminating 30", "terminated False", "terminated True");
    }

    [Fact]
    public async Task A_pod_that_is_deleted_while_its_end_is_cleaned_up_is_taken_down_again()
    {
        var gate = new TaskCompletionSource();
        OnSync = _ => Task.FromResult(new SyncOutcome(IsTerminal: true));
        OnTerminated = () => gate.Task;
        _workers.Update(Pods.Make("a"));
        await UntilAsync("sync", "terminating 30", "terminated False");

        _workers.Update(Deleted(grace: 30));
        gate.SetResult();

        await UntilAsync("sync", "terminating 30", "terminated False", "terminated True");
        await Eventually.HoldsAsync(() => _workers.StateOf("uid-1") == PodWorkState.Finished, "finished");
    }

    [Fact]
    public async Task A_failed_sync_is_repeated_after_a_pause_and_a_wake_comes_at_once()
    {
        OnSync = _ => Task.FromResult(new SyncOutcome(false, Failed: true));
        _workers.Update(Pods.Make("a"));
        await UntilAsync("sync");

        await AdvanceUntilAsync(2);
        OnSync = _ => Task.FromResult(new SyncOutcome(false));
        await AdvanceUntilAsync(3);
        _workers.Wake("uid-1");

        await UntilAsync("sync", "sync", "sync", "sync");
    }

    [Fact]
    public async Task A_pod_known_to_the_runtime_only_is_ended()
    {
        _workers.Kill(Pods.Make("a"), TimeSpan.FromSeconds(3), null, removed: true);

        await Eventually.HoldsAsync(() => _workers.StateOf("uid-1") == PodWorkState.Finished, "finished");
        Assert.Equal(["terminating 3", "terminated True"], Steps().Where(s => s != "sync"));
    }

    [Fact]
    public async Task A_pod_that_was_said_to_be_gone_and_is_there_after_all_begins_anew()
    {
        _workers.Update(Pods.Make("a"));
        await UntilAsync("sync");
        _workers.Kill(Pods.Make("a"), null, null, removed: true);
        await Eventually.HoldsAsync(() => _workers.StateOf("uid-1") == PodWorkState.Finished, "finished");

        Assert.False(_workers.TryRevive(Deleted(grace: 1)));
        Assert.True(_workers.TryRevive(Pods.Make("a")));

        await UntilAsync("sync", "terminating 30", "terminated True", "sync");
    }

    [Fact]
    public async Task A_pod_whose_work_is_done_does_not_begin_anew()
    {
        OnSync = _ => Task.FromResult(new SyncOutcome(IsTerminal: true));
        _workers.Update(Pods.Make("a"));
        await Eventually.HoldsAsync(() => _workers.StateOf("uid-1") == PodWorkState.Finished, "finished");

        Assert.False(_workers.TryRevive(Pods.Make("a")));
    }

    Task<SyncOutcome> IPodSyncer.SyncPodAsync(Pod pod, CancellationToken cancellationToken)
    {
        Step("sync");
        return OnSync(cancellationToken);
    }

    Task IPodSyncer.SyncTerminatingPodAsync(Pod pod, TimeSpan grace, WaitingReason? failure, CancellationToken cancellationToken)
    {
        Step($"terminating {grace.TotalSeconds}");
        return OnTerminate(grace, cancellationToken);
    }

    Task IPodSyncer.SyncTerminatedPodAsync(Pod pod, bool removed, CancellationToken cancellationToken)
    {
        Step($"terminated {removed}");
        return OnTerminated();
    }

    private static Pod Deleted(int grace)
    {
        var pod = Pods.Make("a");
        (pod.Metadata.DeletionTimestamp, pod.Metadata.DeletionGracePeriodSeconds) = (Pods.Noon, grace);
        return pod;
    }

    private void Step(string step)
    {
        lock (_steps)
        {
            _steps.Add(step);
        }
    }

    private List<string> Steps()
    {
        lock (_steps)
        {
            return [.. _steps];
        }
    }

    private Task UntilAsync(params string[] steps) => Eventually.HoldsAsync(() => Steps().SequenceEqual(steps), $"steps {string.Join(", ", steps)}");

    private Task AdvanceUntilAsync(int syncs) => Eventually.HoldsAsync(
        () =>
        {
            _time.Advance(TimeSpan.FromMilliseconds(500));
            return Steps().Count >= syncs;
        },
        $"{syncs} syncs");
}
