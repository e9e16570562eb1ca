using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Cluster.Membership;
using Trireme.Cluster.Phases;

namespace Trireme.Cluster.Tests.Membership;

public sealed class MemberRemovalTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData("server-3")]
    [InlineData("server-3-000000000003")]
    [InlineData("10.0.0.3")]
    [InlineData("3")]
    public async Task A_dead_member_is_given_up_by_any_of_its_names(string name)
    {
        var members = new FakeEtcdMembers(Member(1), Member(2), Dead(3));
        Assert.Equal(3UL, (await LoseAsync(members, name)).Id);
        Assert.Equal([1UL, 2UL], members.Members.Select(m => m.Id));
    }

    [Fact]
    public async Task A_learner_that_never_started_no_longer_keeps_others_from_joining()
    {
        var members = new FakeEtcdMembers(Member(1), Unstarted(2), Member(3) with { Name = "of-somebody-else" });
        await LoseAsync(members, "10.0.0.2");
        Assert.Equal([1UL, 3UL], members.Members.Select(m => m.Id));
    }

    [Fact]
    public void Who_waits_behind_a_learner_is_told_how_to_give_it_up()
    {
        var wait = Assert.IsType<MembershipStep.Wait>(MembershipPlanner.Plan([Member(1), Unstarted(2)], [new MachineRecord(Id(3), new Uri("https://10.0.0.3:2380"))]));
        Assert.Contains("trireme phase etcd-remove --member 10.0.0.2", wait.Reason);
    }

    [Fact]
    public async Task A_member_that_lives_or_is_this_machines_own_is_not_given_up()
    {
        var members = new FakeEtcdMembers(Dead(1), Member(2), Member(3));
        await Assert.ThrowsAsync<PhaseException>(() => LoseAsync(members, "server-2"));
        await Assert.ThrowsAsync<PhaseException>(() => LoseAsync(members, "server-1"));
        Assert.Equal(3, members.Members.Count);
    }

    [Fact]
    public async Task A_name_that_nobody_or_more_than_one_has_is_answered_with_those_there_are()
    {
        var members = new FakeEtcdMembers(Member(1), Member(2), Dead(3), Dead(4) with { Name = MemberName.For("server-3", Id(4)) });
        Assert.Contains("server-1, server-2", (await Assert.ThrowsAsync<PhaseException>(() => LoseAsync(members, "server-9"))).Message);
        Assert.Contains("(3, 4)", (await Assert.ThrowsAsync<PhaseException>(() => LoseAsync(members, "server-3"))).Message);
    }

    [Fact]
    public async Task Without_a_quorum_nothing_is_removed_and_the_reason_is_told()
    {
        var members = new FakeEtcdMembers(Member(1), Dead(2), Dead(3));
        var error = await Assert.ThrowsAsync<PhaseException>(() => LoseAsync(members, "server-3"));
        Assert.Contains("1 of 3 store members answer and 2 are needed", error.Message);
        Assert.Equal(3, members.Members.Count);
    }

    [Fact]
    public async Task A_machine_that_the_others_need_may_not_leave()
    {
        var members = new FakeEtcdMembers(Member(1), Member(2), Dead(3));
        var error = await Assert.ThrowsAsync<PhaseException>(() => LeaveAsync(members));
        Assert.Contains("would lose its quorum", error.Message);
        Assert.Equal(3, members.Members.Count);
    }

    [Fact]
    public async Task A_store_that_refuses_is_quoted()
    {
        var members = new FakeEtcdMembers(Member(1), Member(2), Member(3)) { Failure = new MembershipException("etcdserver: no", isTransient: false) };
        var error = await Assert.ThrowsAsync<PhaseException>(() => LeaveAsync(members));
        Assert.Contains("etcdserver: no", error.Message);
    }

    private Task<EtcdMember> LoseAsync(FakeEtcdMembers members, string name) => PassAsync(Removal(members).RemoveLostAsync(name, Id(1), static _ => { }, TestContext.Current.CancellationToken));

    private Task<IReadOnlyList<EtcdMember>> LeaveAsync(FakeEtcdMembers members) => PassAsync(Removal(members).RunAsync(Machine(1), static _ => { }, TestContext.Current.CancellationToken));

    private MemberRemoval Removal(FakeEtcdMembers members) => new(members, _time, NullLogger.Instance);

    // Time passes until it is done.
    private async Task<T> PassAsync<T>(Task<T> task)
    {
        while (!task.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        return await task;
    }

    private static string Id(int i) => $"{i:d12}00000000000000000000";

    private static MachineRecord Machine(int i) => new(Id(i), new Uri($"https://10.0.0.{i}:2380"));

    private static EtcdMember Member(int i) => new((ulong)i, MemberName.For($"server-{i}", Id(i)), [Machine(i).PeerUrl], false, true);

    private static EtcdMember Dead(int i) => Member(i) with { IsHealthy = false };

    private static EtcdMember Unstarted(int i) => Dead(i) with { Name = "", IsLearner = true };
}
