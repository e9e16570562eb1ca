using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Controllers.NodeLifecycle;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Tests.NodeLifecycle;

public sealed class NodeLifecycleTests
{
    private static readonly TimeSpan _step = TimeSpan.FromMilliseconds(500);

    [Fact]
    public async Task A_silent_node_is_marked_its_pods_leave_services_and_are_evicted_when_their_time_is_up()
    {
        await using var harness = await StartAsync("n1", "n2", "n3");
        var pod = Objects.Pod("p", "10.0.0.9", node: "n1");
        pod.Spec!.Tolerations = [new Toleration { Key = "node.kubernetes.io/unreachable", Operator = "Exists", Effect = "NoExecute", TolerationSeconds = 10 }];
        harness.Api.Seed(pod);
        harness.Api.Seed(Objects.Pod("elsewhere", "10.0.0.10", node: "n2"));

        var alive = Heartbeats(harness, "n2", "n3");
        var start = harness.Time.GetUtcNow();
        await harness.UntilAsync(() => alive() && Ready(harness, "n1") == "Unknown", _step);
        Assert.InRange((harness.Time.GetUtcNow() - start).TotalSeconds, 18, 26);
        await harness.UntilAsync(() => alive() && Taints(harness, "n1").Contains("node.kubernetes.io/unreachable:NoExecute"), _step);
        await harness.UntilAsync(() => alive() && !harness.Api.Peek<Pod>(Objects.Ns, "p")!.IsReady(), _step);
        Assert.Null(harness.Api.Peek<Pod>(Objects.Ns, "p")!.Metadata.DeletionTimestamp);

        await harness.UntilAsync(() => alive() && harness.Api.Peek<Pod>(Objects.Ns, "p")?.Metadata.DeletionTimestamp is not null, _step);
        Assert.InRange((harness.Time.GetUtcNow() - start).TotalSeconds, 28, 45);
        Assert.True(harness.Api.Peek<Pod>(Objects.Ns, "elsewhere")!.IsReady());
    }

    [Fact]
    public async Task A_pod_that_a_lost_node_never_acknowledged_goes_at_once()
    {
        await using var harness = await StartAsync("n1", "n2", "n3");
        List<Toleration> patient = [new Toleration { Key = "node.kubernetes.io/unreachable", Operator = "Exists", Effect = "NoExecute", TolerationSeconds = 300 }];
        List<Toleration> forever = [new Toleration { Key = "node.kubernetes.io/unreachable", Operator = "Exists", Effect = "NoExecute" }];
        foreach (var (name, tolerations, started) in new[] { ("bound", patient, false), ("running", patient, true), ("daemon", forever, false) })
        {
            var pod = Objects.Pod(name, "10.0.0.9", node: "n1");
            pod.Spec!.Tolerations = tolerations;
            pod.Status = started ? pod.Status : new PodStatus { Phase = "Pending" };
            harness.Api.Seed(pod);
        }

        var alive = Heartbeats(harness, "n2", "n3");
        await harness.UntilAsync(() => alive() && harness.Api.Peek<Pod>(Objects.Ns, "bound")?.Metadata.DeletionTimestamp is not null, _step);
        Assert.Null(harness.Api.Peek<Pod>(Objects.Ns, "running")!.Metadata.DeletionTimestamp);
        Assert.Null(harness.Api.Peek<Pod>(Objects.Ns, "daemon")!.Metadata.DeletionTimestamp);
    }

    [Fact]
    public async Task A_controller_that_stood_still_holds_nothing_against_a_node_that_it_did_not_see_meanwhile()
    {
        await using var harness = await StartAsync("n1", "n2", "n3");
        var all = Heartbeats(harness, "n1", "n2", "n3");
        await harness.StaysAsync(() => all() && Ready(harness, "n1") != "Unknown", TimeSpan.FromSeconds(10), _step);

        harness.Time.Advance(TimeSpan.FromMinutes(1));
        var others = Heartbeats(harness, "n2", "n3");
        await harness.StaysAsync(() => others() && Ready(harness, "n1") != "Unknown", TimeSpan.FromSeconds(15), _step);
        await harness.UntilAsync(() => others() && Ready(harness, "n1") == "Unknown", _step);
    }

    [Fact]
    public async Task When_all_nodes_fall_silent_no_pod_is_touched_not_even_while_they_come_back_one_by_one()
    {
        await using var harness = await StartAsync("n1", "n2", "n3");
        foreach (var node in new[] { "n1", "n2", "n3" })
        {
            harness.Api.Seed(Objects.Pod("on-" + node, "10.0.0.9", node: node));
        }

        await harness.UntilAsync(() => Ready(harness, "n1") == "Unknown" && Ready(harness, "n2") == "Unknown" && Ready(harness, "n3") == "Unknown", _step);
        await harness.StaysAsync(() => AllServe(harness), TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(2));
        Assert.DoesNotContain(Taints(harness, "n1"), t => t.EndsWith("NoExecute", StringComparison.Ordinal));

        Report(harness, "n1");
        Report(harness, "n2");
        var alive = Heartbeats(harness, "n1", "n2");
        for (var i = 0; i < 20; i++)
        {
            alive();
            await harness.StaysAsync(() => AllServe(harness), TimeSpan.FromMilliseconds(500), _step);
        }

        Report(harness, "n3");
        await harness.UntilAsync(() => alive() && Taints(harness, "n1").Count == 0 && Taints(harness, "n3").Count == 0, _step);
    }

    [Fact]
    public async Task A_node_that_reports_again_loses_its_taints()
    {
        await using var harness = await StartAsync("n1", "n2", "n3");
        var alive = Heartbeats(harness, "n2", "n3");
        await harness.UntilAsync(() => alive() && Taints(harness, "n1").Count == 2, _step);

        Report(harness, "n1");
        await harness.UntilAsync(() => alive() && Taints(harness, "n1").Count == 0, _step);
    }

    [Fact]
    public async Task Pods_that_do_not_tolerate_an_administrators_taint_go_at_once()
    {
        await using var harness = await StartAsync("n1", "n2");
        harness.Api.Seed(Objects.Pod("p", "10.0.0.9", node: "n1"));
        var tolerant = Objects.Pod("tolerant", "10.0.0.10", node: "n1");
        tolerant.Spec!.Tolerations = [new Toleration { Operator = "Exists" }];
        harness.Api.Seed(tolerant);
        var node = harness.Api.Peek<Node>(null, "n1")!;
        node.Spec!.Taints = [new Taint { Key = "example.com/out", Effect = "NoExecute" }];
        harness.Api.Seed(node);

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "p")?.Metadata.DeletionTimestamp is not null, _step);
        Assert.Null(harness.Api.Peek<Pod>(Objects.Ns, "tolerant")!.Metadata.DeletionTimestamp);
    }

    [Fact]
    public async Task A_manager_that_takes_over_while_all_nodes_are_silent_touches_no_pod()
    {
        await using var harness = new ControllerHarness();
        foreach (var node in new[] { "n1", "n2", "n3" })
        {
            SeedLost(harness, node);
            harness.Api.Seed(Objects.Pod("on-" + node, "10.0.0.9", node: node));
        }

        await TakeOverAsync(harness);
        await harness.StaysAsync(() => AllServe(harness), TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(2));
        Assert.DoesNotContain(Taints(harness, "n2"), t => t.EndsWith("NoExecute", StringComparison.Ordinal));

        // And once more, with what the first term knew.
        await harness.EndTermAsync();
        harness.StartTerm();
        await harness.StaysAsync(() => AllServe(harness), TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task A_manager_that_takes_over_evicts_from_a_node_that_stays_silent()
    {
        await using var harness = new ControllerHarness();
        SeedLost(harness, "n1", tainted: true);
        harness.Api.Seed(Objects.Node("n2"));
        Renew(harness, "n2");
        harness.Api.Seed(Objects.Pod("p", "10.0.0.9", node: "n1"));

        await TakeOverAsync(harness);
        var alive = Heartbeats(harness, "n2");
        var start = harness.Time.GetUtcNow();
        await harness.UntilAsync(() => alive() && harness.Api.Peek<Pod>(Objects.Ns, "p")?.Metadata.DeletionTimestamp is not null, _step);
        Assert.InRange((harness.Time.GetUtcNow() - start).TotalSeconds, 18, 40);
    }

    [Fact]
    public async Task A_zone_that_is_lost_as_a_whole_is_evicted_from_while_others_answer()
    {
        await using var harness = await StartAsync("a1", "a2", "b1", "b2", "c1");
        foreach (var name in new[] { "a1", "a2", "b1", "b2", "c1" })
        {
            Place(harness, name, name[..1]);
            harness.Api.Seed(Objects.Pod("on-" + name, "10.0.0.9", node: name));
        }

        // Four of five nodes are gone: more than any share of the whole cluster, but zone c answers.
        var alive = Heartbeats(harness, "c1");
        await harness.UntilAsync(
            () => alive() && new[] { "a1", "a2", "b1", "b2" }.All(n => harness.Api.Peek<Pod>(Objects.Ns, "on-" + n)?.Metadata.DeletionTimestamp is not null), _step);
        Assert.True(harness.Api.Peek<Pod>(Objects.Ns, "on-c1")!.IsReady());
    }

    [Fact]
    public async Task From_a_zone_that_is_lost_for_the_most_part_pods_leave_services_and_stay()
    {
        string[] nodes = ["n1", "n2", "n3", "n4"];
        await using var harness = await StartAsync(nodes);
        Array.ForEach(nodes, n => harness.Api.Seed(Objects.Pod("on-" + n, "10.0.0.9", node: n)));
        var alive = Heartbeats(harness, "n4");

        await harness.UntilAsync(() => alive() && nodes[..3].All(n => !harness.Api.Peek<Pod>(Objects.Ns, "on-" + n)!.IsReady()), _step);
        await harness.StaysAsync(
            () => alive() && harness.Api.PeekAll<Pod>().All(p => p.Metadata.DeletionTimestamp is null) && !Taints(harness, "n1").Exists(t => t.EndsWith("NoExecute", StringComparison.Ordinal)),
            TimeSpan.FromMinutes(3),
            TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task The_time_that_a_pod_is_granted_starts_anew_after_a_mass_failure()
    {
        await using var harness = await StartAsync("n1", "n2", "n3");
        var pod = Objects.Pod("p", "10.0.0.9", node: "n1");
        pod.Spec!.Tolerations = [new Toleration { Key = "node.kubernetes.io/unreachable", Operator = "Exists", Effect = "NoExecute", TolerationSeconds = 60 }];
        harness.Api.Seed(pod);
        var alive = Heartbeats(harness, "n2", "n3");
        await harness.UntilAsync(() => alive() && Taints(harness, "n1").Contains("node.kubernetes.io/unreachable:NoExecute"), _step);

        // All fall silent for far longer than a minute, then all but the first come back.
        await harness.StaysAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "p")!.Metadata.DeletionTimestamp is null, TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(2));
        Report(harness, "n2");
        Report(harness, "n3");
        var start = harness.Time.GetUtcNow();
        alive = Heartbeats(harness, "n2", "n3");
        await harness.UntilAsync(() => alive() && harness.Api.Peek<Pod>(Objects.Ns, "p")!.Metadata.DeletionTimestamp is not null, _step);
        Assert.InRange((harness.Time.GetUtcNow() - start).TotalSeconds, 58, 80);
    }

    [Fact]
    public void A_clock_that_jumps_does_not_make_nodes_silent()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var health = new NodeHealth(TimeSpan.FromSeconds(20), time);
        health.Observe("a", "", "renewed in the year 1990", isReady: true);
        health.Observe("b", "", "renewed in the year 2090", isReady: true);
        health.Observe("c", "", "x", isReady: true);
        time.Advance(TimeSpan.FromSeconds(9));

        var verdicts = health.Judge();
        Assert.Empty(verdicts.Silent);
        Assert.False(verdicts.IsMassFailure);
    }

    [Fact]
    public void A_zone_whose_state_swings_does_not_save_a_dead_node_for_ever()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var health = new NodeHealth(TimeSpan.FromSeconds(20), time);
        var silent = false;
        for (var second = 0; second < 120 && !silent; second++)
        {
            health.Observe("dead", "a", "x", isReady: true);
            health.Observe("swinging", "a", $"{second / 14}", isReady: true);
            health.Observe("well", "b", $"{second}", isReady: true);
            silent = health.Judge().Silent.Contains("dead");
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(silent);
    }

    private static void SeedLost(ControllerHarness harness, string name, bool tainted = false)
    {
        var node = Objects.Node(name, "Unknown");
        node.Status!.Conditions![0].Reason = "NodeStatusUnknown";
        node.Spec!.Taints = tainted ? [new Taint { Key = "node.kubernetes.io/unreachable", Effect = "NoExecute" }] : null;
        harness.Api.Seed(node);
        Renew(harness, name);
    }

    private static void Place(ControllerHarness harness, string name, string zone)
    {
        var node = harness.Api.Peek<Node>(null, name)!;
        node.Metadata.Labels = new() { ["topology.kubernetes.io/zone"] = zone };
        harness.Api.Seed(node);
    }

    private static Task TakeOverAsync(ControllerHarness harness)
    {
        harness.Add(c => new NodeLifecycleController(c, c.NodeDisruption));
        harness.Add(c => new TaintEvictionController(c, c.NodeDisruption));
        return harness.StartAsync();
    }

    private static bool AllServe(ControllerHarness harness) =>
        harness.Api.PeekAll<Pod>().Count == 3 && harness.Api.PeekAll<Pod>().All(p => p.IsReady() && p.Metadata.DeletionTimestamp is null);

    private static string? Ready(ControllerHarness harness, string node) => harness.Api.Peek<Node>(null, node)?.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status;

    private static List<string> Taints(ControllerHarness harness, string node) =>
        [.. (harness.Api.Peek<Node>(null, node)?.Spec?.Taints ?? []).Select(t => $"{t.Key}:{t.Effect}")];

    private static void Report(ControllerHarness harness, string name)
    {
        var node = harness.Api.Peek<Node>(null, name)!;
        node.Status = Objects.Node(name).Status;
        node.Status!.Conditions![0].LastHeartbeatTime = harness.Time.GetUtcNow();
        harness.Api.Seed(node);
        Renew(harness, name);
    }

    private static Func<bool> Heartbeats(ControllerHarness harness, params string[] nodes)
    {
        var last = harness.Time.GetUtcNow();
        return () =>
        {
            if (harness.Time.GetUtcNow() - last >= TimeSpan.FromSeconds(4))
            {
                last = harness.Time.GetUtcNow();
                Array.ForEach(nodes, n => Renew(harness, n));
            }

            return true;
        };
    }

    private static void Renew(ControllerHarness harness, string node) => harness.Api.Seed(new Lease
    {
        Metadata = new ObjectMeta { Namespace = "kube-node-lease", Name = node },
        Spec = new LeaseSpec { HolderIdentity = node, RenewTime = harness.Time.GetUtcNow() },
    });

    private static async Task<ControllerHarness> StartAsync(params string[] nodes)
    {
        var harness = new ControllerHarness();
        foreach (var node in nodes)
        {
            harness.Api.Seed(Objects.Node(node));
            Renew(harness, node);
        }

        await TakeOverAsync(harness);
        return harness;
    }
}
