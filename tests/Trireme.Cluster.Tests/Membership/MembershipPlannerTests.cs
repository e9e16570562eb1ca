using CsCheck;
using Trireme.Cluster.Membership;

namespace Trireme.Cluster.Tests.Membership;

public sealed class MembershipPlannerTests
{
    [Fact]
    public void A_new_server_is_added_as_learner()
    {
        var step = MembershipPlanner.Plan([Member(1)], [Machine(1), Machine(2)]);
        Assert.Equal(Machine(2), Assert.IsType<MembershipStep.AddLearner>(step).Machine);
    }

    [Fact]
    public void A_second_joiner_waits_for_the_first()
    {
        var step = MembershipPlanner.Plan([Member(1), Unstarted(2)], [Machine(3)]);
        Assert.IsType<MembershipStep.Wait>(step);
    }

    [Fact]
    public void A_healthy_learner_is_promoted()
    {
        var learner = Member(2) with { IsLearner = true };
        var step = MembershipPlanner.Plan([Member(1), learner], [Machine(1), Machine(2)]);
        Assert.Equal(learner, Assert.IsType<MembershipStep.Promote>(step).Member);
    }

    [Fact]
    public void A_machine_that_comes_back_with_another_address_is_updated()
    {
        var moved = Machine(3) with { PeerUrl = new Uri("https://10.9.9.9:2380") };
        var step = MembershipPlanner.Plan([Member(1), Member(2), Dead(3)], [Machine(1), Machine(2), moved]);
        var update = Assert.IsType<MembershipStep.UpdatePeerUrl>(step);
        Assert.Equal((3UL, moved.PeerUrl), (update.Member.Id, update.PeerUrl));
    }

    [Fact]
    public void A_lost_machine_is_replaced_before_it_is_removed()
    {
        MachineRecord[] machines = [Machine(1), Machine(2), Machine(3) with { Keep = false }, Machine(4)];
        var first = MembershipPlanner.Plan([Member(1), Member(2), Dead(3)], machines);
        Assert.Equal(Machine(4), Assert.IsType<MembershipStep.AddLearner>(first).Machine);
        var last = MembershipPlanner.Plan([Member(1), Member(2), Dead(3), Member(4)], machines);
        Assert.Equal(3UL, Assert.IsType<MembershipStep.Remove>(last).Member.Id);
    }

    [Fact]
    public void A_machine_that_lost_its_data_takes_the_place_of_its_dead_member()
    {
        var reborn = Machine(9) with { PeerUrl = Machine(3).PeerUrl };
        var step = MembershipPlanner.Plan([Member(1), Member(2), Dead(3)], [reborn]);
        Assert.Equal(3UL, Assert.IsType<MembershipStep.Remove>(step).Member.Id);
    }

    [Fact]
    public void A_running_member_is_never_pushed_out_by_a_machine_with_its_address()
    {
        var impostor = Machine(9) with { PeerUrl = Machine(3).PeerUrl };
        Assert.IsType<MembershipStep.Wait>(MembershipPlanner.Plan([Member(1), Member(2), Member(3)], [impostor]));
    }

    [Fact]
    public void The_last_member_never_goes()
    {
        Assert.IsType<MembershipStep.Wait>(MembershipPlanner.Plan([Member(1)], [Machine(1) with { Keep = false }]));
    }

    [Fact]
    public void Even_sizes_are_warned_about()
    {
        Assert.NotNull(new Quorum(2, 2).Warning);
        Assert.NotNull(new Quorum(4, 4).Warning);
        Assert.Null(new Quorum(3, 3).Warning);
        Assert.Equal(1, new Quorum(3, 3).Margin);
    }

    [Fact]
    public void No_step_ever_costs_quorum()
    {
        Situations.Sample(situation =>
        {
            var step = MembershipPlanner.Plan(situation.Members, situation.Machines);
            if (Quorum.Of(situation.Members).IsHeld)
            {
                Assert.True(Quorum.Of(Apply(situation.Members, step)).IsHeld, step.ToString());
            }
            else
            {
                Assert.IsType<MembershipStep.Wait>(step);
            }
        });
    }

    [Fact]
    public void Following_the_plan_ends_and_never_makes_two_learners_or_two_members_of_one_address()
    {
        Situations.Sample(situation =>
        {
            var members = situation.Members;
            for (var i = 0; i < 50; i++)
            {
                var step = MembershipPlanner.Plan(members, situation.Machines);
                if (step is MembershipStep.Done or MembershipStep.Wait)
                {
                    return;
                }

                members = Apply(members, step);
                Assert.True(members.Count(m => m.IsLearner) <= 1);
                var urls = members.SelectMany(m => m.PeerUrls).ToList();
                Assert.Equal(urls.Count, urls.Distinct().Count());
            }

            Assert.Fail("The plan goes round in a circle");
        });
    }

    private static Gen<(IReadOnlyList<EtcdMember> Members, IReadOnlyList<MachineRecord> Machines)> Situations { get; } =
        from count in Gen.Int[1, 6]
        from health in Gen.Bool.Array[count]
        from learner in Gen.Int[-6, count - 1]
        from kept in Gen.Bool.Array[8]
        from moved in Gen.Bool.Array[8]
        from known in Gen.Bool.Array[8]
        from reborn in Gen.Int[0, 7]
        select (
            (IReadOnlyList<EtcdMember>)Enumerable.Range(1, count)
                .Select(i => Member(i) with { IsHealthy = health[i - 1], IsLearner = learner == i - 1 && count > 1 }).ToList(),
            (IReadOnlyList<MachineRecord>)Enumerable.Range(1, 8).Where(i => known[i - 1])
                .Select(i => Machine(i) with { Keep = kept[i - 1], PeerUrl = moved[i - 1] ? new Uri($"https://10.1.0.{i}:2380") : Machine(i).PeerUrl })
                .Append(Machine(20) with { PeerUrl = Machine(reborn).PeerUrl }).ToList());

    private static List<EtcdMember> Apply(IReadOnlyList<EtcdMember> members, MembershipStep step) => step switch
    {
        MembershipStep.AddLearner add => [.. members, new EtcdMember(
            members.Max(m => m.Id) + 1, MemberName.For("m", add.Machine.MachineId), [add.Machine.PeerUrl], true, true)],
        MembershipStep.Promote promote => [.. members.Select(m => m.Id == promote.Member.Id ? m with { IsLearner = false } : m)],
        // The worst case: the new address is wrong and the member is gone.
        MembershipStep.UpdatePeerUrl update => [.. members.Select(m => m.Id == update.Member.Id
            ? m with { PeerUrls = [update.PeerUrl], IsHealthy = m.IsHealthy && members.Count(v => !v.IsLearner) == 1 }
            : m)],
        MembershipStep.Remove remove => [.. members.Where(m => m.Id != remove.Member.Id)],
        _ => [.. members],
    };

    private static string Id(int i) => $"{i:x32}"[20..] + new string('0', 20);

    private static MachineRecord Machine(int i) => new(Id(i), new Uri($"https://10.0.0.{i}:2380"));

    private static EtcdMember Member(int i) => new((ulong)i, MemberName.For($"server-{i}", Id(i)), [Machine(i).PeerUrl], false, true);

    private static EtcdMember Dead(int i) => Member(i) with { IsHealthy = false };

    private static EtcdMember Unstarted(int i) => Member(i) with { Name = "", IsLearner = true, IsHealthy = false };
}
