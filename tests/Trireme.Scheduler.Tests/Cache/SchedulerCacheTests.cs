using Microsoft.Extensions.Time.Testing;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests.Cache;

public sealed class SchedulerCacheTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Snapshot _snapshot = new();

    [Fact]
    public void An_assumed_pod_takes_its_room_until_it_is_forgotten()
    {
        var cache = Cache();
        var pod = new PodInfo(Pod("p", cpu: "1"));
        Assert.True(cache.AssumePod(pod, "a"));
        Assert.False(cache.AssumePod(pod, "a"));
        Assert.True(cache.IsAssumed(pod));
        Assert.Equal(1000, Requested(cache, "a"));

        cache.ForgetPod(pod);
        Assert.Equal(0, Requested(cache, "a"));
    }

    [Fact]
    public void A_confirmed_pod_is_not_forgotten_any_more()
    {
        var cache = Cache();
        var pod = new PodInfo(Pod("p", cpu: "1"));
        cache.AssumePod(pod, "a");
        cache.AddOrUpdatePod(new PodInfo(Pod("p", cpu: "1", node: "a")));
        cache.ForgetPod(pod);

        Assert.False(cache.IsAssumed(pod));
        Assert.Equal(1000, Requested(cache, "a"));
    }

    [Fact]
    public void A_pod_that_was_bound_elsewhere_moves()
    {
        var cache = Cache();
        cache.AssumePod(new PodInfo(Pod("p", cpu: "1")), "a");
        cache.AddOrUpdatePod(new PodInfo(Pod("p", cpu: "1", node: "b")));

        Assert.Equal((0, 1000), (Requested(cache, "a"), Requested(cache, "b")));
    }

    [Fact]
    public void A_pod_deleted_before_it_was_seen_bound_leaves_no_trace()
    {
        var cache = Cache();
        cache.AssumePod(new PodInfo(Pod("p", cpu: "1")), "a");
        Assert.True(cache.RemovePod("uid-p"));
        Assert.False(cache.RemovePod("uid-p"));
        Assert.Equal(0, Requested(cache, "a"));
    }

    [Fact]
    public void An_assumption_expires_only_after_its_binding_was_accepted()
    {
        var cache = Cache(TimeSpan.FromSeconds(30));
        var pod = new PodInfo(Pod("p", cpu: "1"));
        cache.AssumePod(pod, "a");
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Empty(cache.ExpireAssumedPods());

        cache.FinishBinding(pod);
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.Empty(cache.ExpireAssumedPods());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([pod], cache.ExpireAssumedPods());
        Assert.Equal(0, Requested(cache, "a"));
    }

    [Fact]
    public void Only_changed_nodes_are_copied_into_the_snapshot()
    {
        var cache = Cache();
        cache.UpdateSnapshot(_snapshot);
        var (a, b) = (_snapshot.Find("a"), _snapshot.Find("b"));
        cache.AssumePod(new PodInfo(Pod("p", cpu: "1")), "a");
        cache.UpdateSnapshot(_snapshot);

        Assert.NotSame(a, _snapshot.Find("a"));
        Assert.Same(b, _snapshot.Find("b"));
        Assert.Equal(0, a!.Requested.MilliCpu);
    }

    [Fact]
    public void Nodes_are_listed_zone_by_zone_in_turn()
    {
        var cache = new SchedulerCache(_time);
        foreach (var (name, zone) in new[] { ("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("c2", "c") })
        {
            cache.AddOrUpdateNode(Node(name, zone: zone));
        }

        cache.UpdateSnapshot(_snapshot);
        Assert.Equal(["a1", "b1", "c1", "a2", "c2", "a3"], _snapshot.Nodes.Select(n => n.Name));

        cache.AddOrUpdateNode(Node("a1", zone: "b"));
        cache.RemoveNode("c1");
        cache.UpdateSnapshot(_snapshot);
        Assert.Equal(["a2", "b1", "c2", "a3", "a1"], _snapshot.Nodes.Select(n => n.Name));
    }

    [Fact]
    public void A_node_that_comes_back_finds_its_pods()
    {
        var cache = Cache();
        cache.AddOrUpdatePod(new PodInfo(Pod("p", cpu: "1", node: "a")));
        cache.RemoveNode("a");
        cache.UpdateSnapshot(_snapshot);
        Assert.Null(_snapshot.Find("a"));

        cache.AddOrUpdateNode(Node("a"));
        Assert.Equal(1000, Requested(cache, "a"));
    }

    [Fact]
    public void Pods_may_be_seen_before_their_node()
    {
        var cache = new SchedulerCache(_time);
        cache.AddOrUpdatePod(new PodInfo(Pod("p", cpu: "1", node: "late")));
        cache.AddOrUpdateNode(Node("late"));

        Assert.Equal(1000, Requested(cache, "late"));
    }

    private SchedulerCache Cache(TimeSpan? expiry = null)
    {
        var cache = new SchedulerCache(_time, expiry);
        cache.AddOrUpdateNode(Node("a"));
        cache.AddOrUpdateNode(Node("b"));
        return cache;
    }

    private long Requested(SchedulerCache cache, string node)
    {
        cache.UpdateSnapshot(_snapshot);
        return _snapshot.Find(node)!.Requested.MilliCpu;
    }
}
