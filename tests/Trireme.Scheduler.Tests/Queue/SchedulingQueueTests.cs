using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests.Queue;

public sealed class SchedulingQueueTests : IDisposable
{
    private readonly Simulation _simulation = new();

    private SchedulingQueue Queue => _simulation.Queue;

    public void Dispose() => _simulation.Dispose();

    [Fact]
    public void The_most_important_pod_comes_first_and_among_equals_the_oldest()
    {
        foreach (var (name, priority) in new[] { ("old", 0), ("urgent", 100), ("new", 0), ("mid", 10) })
        {
            Queue.Add(new PodInfo(Pod(name, priority: priority)));
            _simulation.Time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.Equal(["urgent", "mid", "old", "new"], Enumerable.Range(0, 4).Select(_ => Queue.TryPop()!.Pod.Name));
        Assert.Null(Queue.TryPop());
    }

    [Fact]
    public async Task Pop_waits_for_a_pod()
    {
        var popped = Queue.PopAsync(TestContext.Current.CancellationToken).AsTask();
        Assert.False(popped.IsCompleted);
        Queue.Add(new PodInfo(Pod("p")));

        Assert.Equal("p", (await popped).Pod.Name);
    }

    [Fact]
    public void A_fault_doubles_the_backoff_up_to_ten_seconds()
    {
        Queue.Add(new PodInfo(Pod("p")));
        foreach (var seconds in new[] { 1, 2, 4, 8, 10, 10 })
        {
            var queued = Queue.TryPop()!;
            Queue.AddUnschedulable(queued);
            _simulation.Time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
            Assert.Equal((0, 1, 0, 0), Queue.Counts);
            _simulation.Time.Advance(TimeSpan.FromMilliseconds(1));
            Assert.Equal((1, 0, 0, 0), Queue.Counts);
        }
    }

    [Fact]
    public void A_refused_pod_waits_for_an_event_that_its_plugin_cares_about()
    {
        Refuse("p", "NodeResourcesFit", cpu: "2");
        _simulation.Time.Advance(TimeSpan.FromSeconds(30));

        _simulation.Add(Node("small", cpu: "1"));
        Assert.Equal((0, 0, 1, 0), Queue.Counts);
        _simulation.Add(Node("large", cpu: "4"));
        Assert.Equal((1, 0, 0, 0), Queue.Counts);
    }

    [Fact]
    public void An_event_during_the_backoff_moves_the_pod_to_the_backoff_queue()
    {
        Refuse("p", "NodeResourcesFit");
        _simulation.Add(Node("n"));
        Assert.Equal((0, 1, 0, 0), Queue.Counts);
        _simulation.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((1, 0, 0, 0), Queue.Counts);
    }

    [Fact]
    public void An_event_while_the_pod_is_in_flight_is_not_missed()
    {
        Queue.Add(new PodInfo(Pod("p")));
        var queued = Queue.TryPop()!;
        _simulation.Add(Node("n"));
        queued.UnschedulablePlugins = new HashSet<string> { "NodeResourcesFit" };
        Queue.AddUnschedulable(queued);

        Assert.Equal((0, 1, 0, 0), Queue.Counts);
    }

    [Fact]
    public void Events_before_the_pod_was_taken_out_do_not_bring_it_back()
    {
        Queue.Add(new PodInfo(Pod("other")));
        Queue.TryPop();
        _simulation.Add(Node("n"));
        Refuse("p", "NodeResourcesFit");

        Assert.Equal((0, 0, 1, 1), Queue.Counts);
        Queue.Done("uid-other");
        Assert.Equal((0, 0, 1, 0), Queue.Counts);
    }

    [Fact]
    public void A_pod_that_waits_five_minutes_is_tried_again_without_an_event()
    {
        Refuse("p", "NodeAffinity");
        _simulation.Time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal((0, 0, 1, 0), Queue.Counts);
        _simulation.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal((1, 0, 0, 0), Queue.Counts);
    }

    [Fact]
    public void A_gated_pod_waits_until_its_gates_are_gone_whatever_happens()
    {
        _simulation.Add(Pod("p").With(s => s.SchedulingGates = [new() { Name = "quota" }]), Pod("q"));
        _simulation.Add(Node("n"));
        _simulation.Time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal((1, 0, 1, 0), Queue.Counts);

        _simulation.Add(Pod("p"));
        Assert.Equal((2, 0, 0, 0), Queue.Counts);
    }

    [Fact]
    public void Our_own_status_patch_does_not_bring_a_pod_back()
    {
        var pod = Pod("p", cpu: "9");
        using var simulation = new Simulation().Add(Node("n")).Add(pod).Run();
        simulation.Time.Advance(TimeSpan.FromSeconds(30));

        Assert.NotNull(simulation.WhyPending("p"));
        Assert.Equal((0, 0, 1, 0), simulation.Queue.Counts);
    }

    [Fact]
    public void A_pod_deleted_while_in_flight_does_not_come_back()
    {
        Queue.Add(new PodInfo(Pod("p")));
        var queued = Queue.TryPop()!;
        Queue.Delete("uid-p");

        Assert.False(Queue.AddUnschedulable(queued));
        Assert.Equal((0, 0, 0, 0), Queue.Counts);
    }

    [Fact]
    public void A_pod_changed_while_in_flight_comes_back_as_it_is_now()
    {
        _simulation.Add(Pod("p", cpu: "9"));
        var queued = Queue.TryPop()!;
        _simulation.Add(Pod("p", cpu: "1"));
        queued.UnschedulablePlugins = new HashSet<string> { "NodeResourcesFit" };
        Queue.AddUnschedulable(queued);

        Assert.Equal(1000, queued.Pod.Requests.MilliCpu);
        Assert.Equal((0, 1, 0, 0), Queue.Counts);
    }

    [Fact]
    public void A_pod_that_was_taken_out_but_not_decided_is_tried_again_whatever_refused_it_before()
    {
        Refuse("p", "NodeResourcesFit");
        _simulation.Add(Node("n"));
        _simulation.Time.Advance(TimeSpan.FromSeconds(1));

        // Leadership is lost in the middle of the attempt.
        Queue.AddUnschedulable(Queue.TryPop()!);

        Assert.Equal((0, 1, 0, 0), Queue.Counts);
    }

    [Fact]
    public void A_clock_that_jumps_holds_no_pod_back_and_brings_none_back()
    {
        var time = new JumpingTime(_simulation.Time);
        using var queue = new SchedulingQueue(_simulation.Framework, new SchedulingQueueOptions(), time);
        queue.Add(new PodInfo(Pod("faulty")));
        queue.AddUnschedulable(queue.TryPop()!);
        queue.Add(new PodInfo(Pod("refused")));
        var refused = queue.TryPop()!;
        refused.UnschedulablePlugins = new HashSet<string> { "NodeAffinity" };
        queue.AddUnschedulable(refused);

        time.Offset = TimeSpan.FromDays(-365);
        _simulation.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((1, 0, 1, 0), queue.Counts);

        time.Offset = TimeSpan.FromDays(365);
        queue.FlushUnschedulableLeftover();
        Assert.Equal((1, 0, 1, 0), queue.Counts);
    }

    [Fact]
    public void A_nomination_that_was_taken_back_does_not_come_back_by_the_pods_old_status()
    {
        var pod = Pod("p");
        pod.Status!.NominatedNodeName = "n";
        _simulation.Add(pod);
        Assert.Equal("n", _simulation.Framework.Nominator.NodeOf("uid-p"));

        Queue.AddUnschedulable(Queue.TryPop()!, nominatedNodeName: "");
        Assert.Null(_simulation.Framework.Nominator.NodeOf("uid-p"));
        var labelled = Pod("p", labels: ("some", "label"));
        labelled.Status!.NominatedNodeName = "n";
        _simulation.Add(labelled);
        Assert.Null(_simulation.Framework.Nominator.NodeOf("uid-p"));
    }

    [Fact]
    public void A_nomination_that_somebody_takes_out_of_the_status_no_longer_counts()
    {
        var pod = Pod("p");
        pod.Status!.NominatedNodeName = "n";
        _simulation.Add(pod);
        Queue.TryPop();

        _simulation.Add(Pod("p"));
        Assert.Null(_simulation.Framework.Nominator.NodeOf("uid-p"));
    }

    private void Refuse(string name, string plugin, string? cpu = null)
    {
        Queue.Add(new PodInfo(Pod(name, cpu)));
        var queued = Queue.TryPop()!;
        queued.UnschedulablePlugins = new HashSet<string> { plugin };
        Queue.AddUnschedulable(queued);
    }

    /// <summary>Time goes on as ever, but the clock is set.</summary>
    private sealed class JumpingTime(TimeProvider inner) : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override long TimestampFrequency => inner.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() + Offset;

        public override long GetTimestamp() => inner.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => inner.CreateTimer(callback, state, dueTime, period);
    }
}
