using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests;

public sealed class ScheduleOneTests
{
    [Fact]
    public void A_pod_whose_binding_is_cut_short_by_the_end_of_a_term_is_scheduled_in_the_next()
    {
        using var simulation = new Simulation { BindFailure = _ => new OperationCanceledException() };
        simulation.Add(Node("n", pods: 1)).Add(Pod("p")).Run();
        Assert.Equal((0, 1, 0, 0), simulation.Queue.Counts);
        Assert.Equal(0, simulation.Cache.PodCount);

        simulation.BindFailure = null;
        simulation.Time.Advance(TimeSpan.FromSeconds(1));
        simulation.Run();
        Assert.Equal("n", simulation.Bound["p"]);
    }

    [Fact]
    public void A_binding_that_was_made_before_the_term_ended_is_taken_from_the_watch()
    {
        using var simulation = new Simulation();
        simulation.BindFailure = pod =>
        {
            // The server has it; the answer does not come any more.
            var bound = Pod(pod.Metadata.Name!, node: "n");
            simulation.Add(bound);
            return new OperationCanceledException();
        };
        simulation.Add(Node("n", pods: 1)).Add(Pod("p")).Run();

        Assert.Equal((0, 0, 0, 0), simulation.Queue.Counts);
        Assert.Equal(1, simulation.Cache.PodCount);
    }
}
