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
    public void A_clock_that_jumps_does_not_make_nodes_silent()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var health = new NodeHealth(TimeSpan.FromSeconds(20), time);
        health.Observe("a", "renewed in the year 1990");
        health.Observe("b", "renewed in the year 2090");
        health.Observe("c", "x");
        time.Advance(TimeSpan.FromSeconds(9));

        Assert.Empty(health.Silent());
        Assert.False(health.IsMassFailure);
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

        harness.Add(c => new NodeLifecycleController(c, c.NodeDisruption));
        harness.Add(c => new TaintEvictionController(c, c.NodeDisruption));
        await harness.StartAsync();
        return harness;
    }
}
