using System.Net;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Controllers.DaemonSets;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Tests.DaemonSets;

public sealed class DaemonSetControllerTests
{
    [Fact]
    public async Task Each_node_that_fits_gets_one_pod_and_a_new_node_too()
    {
        await using var harness = await StartAsync();
        var tainted = Objects.Node("tainted");
        tainted.Spec!.Taints = [new Taint { Key = "example.com/special", Effect = "NoSchedule" }];
        harness.Api.Seed(tainted);
        var cordoned = Objects.Node("cordoned");
        cordoned.Spec!.Taints = [new Taint { Key = "node.kubernetes.io/unschedulable", Effect = "NoSchedule" }];
        harness.Api.Seed(cordoned);
        await harness.Api.CreateAsync(Set(), harness.Token);
        await harness.UntilAsync(() => Status(harness) is { NumberAvailable: 4, DesiredNumberScheduled: 4 });
        Assert.Equal(["cordoned", "n1", "n2", "n3"], Targets(harness));

        harness.Api.Seed(Objects.Node("n4"));
        await harness.UntilAsync(() => Status(harness) is { NumberAvailable: 5 });
        Assert.Single(harness.Api.PeekAll<ControllerRevision>());
    }

    [Fact]
    public async Task A_rolling_update_takes_one_node_after_the_other()
    {
        await using var harness = await StartAsync();
        await harness.Api.CreateAsync(Set(), harness.Token);
        await harness.UntilAsync(() => Status(harness) is { NumberAvailable: 3 });

        await SetImageAsync(harness, "web:2");
        var fewest = 3;
        await harness.UntilAsync(() =>
        {
            fewest = Math.Min(fewest, harness.Api.PeekAll<Pod>().Count(p => p.IsReady() && p.IsActive()));
            return Status(harness) is { UpdatedNumberScheduled: 3, NumberAvailable: 3 } && harness.Api.PeekAll<Pod>().All(p => p.Spec!.Containers![0].Image == "web:2");
        });

        Assert.True(fewest >= 2, $"only {fewest} were available");
        Assert.Equal([1, 2], harness.Api.PeekAll<ControllerRevision>().Select(r => r.Revision).Order());
    }

    [Fact]
    public async Task With_a_surge_no_node_is_ever_without_an_available_pod()
    {
        await using var harness = await StartAsync();
        var set = Set();
        set.Spec!.UpdateStrategy = new DaemonSetUpdateStrategy { Type = "RollingUpdate", RollingUpdate = new RollingUpdateDaemonSet { MaxSurge = 1, MaxUnavailable = 0 } };
        await harness.Api.CreateAsync(set, harness.Token);
        await harness.UntilAsync(() => Status(harness) is { NumberAvailable: 3 });

        await SetImageAsync(harness, "web:2");
        await harness.UntilAsync(() =>
        {
            Assert.Equal(3, harness.Api.PeekAll<Pod>().Where(p => p.IsReady() && p.IsActive()).Select(NodeFit.TargetOf).Distinct().Count());
            return harness.Api.PeekAll<Pod>() is { Count: 3 } pods && pods.All(p => p.Spec!.Containers![0].Image == "web:2");
        });
    }

    [Fact]
    public async Task A_pod_that_fails_again_and_again_is_replaced_ever_more_slowly()
    {
        await using var harness = await StartAsync();
        harness.Kubelet = pod =>
        {
            if (pod.Metadata.DeletionTimestamp is null && pod.Status?.Phase is not PodPhase.Failed && NodeFit.TargetOf(pod) == "n1")
            {
                pod.Spec!.NodeName = "n1";
                pod.Status = new PodStatus { Phase = PodPhase.Failed };
                harness.Api.Seed(pod);
            }
        };
        await harness.Api.CreateAsync(Set(), harness.Token);

        await harness.StaysAsync(() => true, TimeSpan.FromMinutes(2));
        var creations = harness.Api.Writes.Count(w => w is { Verb: "create", Resource: "pods" });

        // Two for the other nodes; the third node's at 0, 0, 1, 3, 7, 15, 31, 63 s.
        Assert.InRange(creations, 2 + 5, 2 + 9);
    }

    [Fact]
    public async Task Where_a_create_is_refused_the_rest_goes_on_and_the_status_is_told()
    {
        await using var harness = await StartAsync();
        await harness.Api.CreateAsync(Set(), harness.Token);
        await harness.UntilAsync(() => Status(harness) is { NumberAvailable: 3 });

        harness.Api.Intercept = r => r is { Verb: "create", Resource: "pods" } ? new ApiException(HttpStatusCode.Forbidden, new Status { Code = 403, Message = "no" }) : null;
        harness.Api.Seed(Objects.Node("n4"));
        var n1 = harness.Api.Peek<Node>(null, "n1")!;
        n1.Spec!.Taints = [new Taint { Key = "example.com/out", Effect = "NoExecute" }];
        harness.Api.Seed(n1);

        await harness.UntilAsync(() => Status(harness) is { DesiredNumberScheduled: 3, NumberAvailable: 2 } && !Targets(harness).Contains("n1"));
    }

    [Fact]
    public async Task A_pod_for_a_node_that_went_before_it_was_bound_goes_too()
    {
        await using var harness = await StartAsync();
        harness.Kubelet = null;
        await harness.Api.CreateAsync(Set(), harness.Token);
        await harness.UntilAsync(() => harness.Api.PeekAll<Pod>().Count == 3);

        harness.Api.Remove<Node>(null, "n2");
        await harness.UntilAsync(() => Targets(harness) is ["n1", "n3"]);
    }

    [Fact]
    public async Task An_orphan_that_comes_to_match_is_adopted()
    {
        await using var harness = await StartAsync();
        await harness.Api.CreateAsync(Set(), harness.Token);
        await harness.UntilAsync(() => Status(harness) is { NumberAvailable: 3 });
        harness.Api.Seed(Objects.Pod("orphan", labels: new() { ["app"] = "other" }));
        await harness.StaysAsync(() => OwnerReferences.ControllerOf(harness.Api.Peek<Pod>(Objects.Ns, "orphan")!) is null, TimeSpan.FromSeconds(1));

        var orphan = harness.Api.Peek<Pod>(Objects.Ns, "orphan")!;
        orphan.Metadata.Labels = Objects.Web;
        harness.Api.Seed(orphan);
        await harness.UntilAsync(() => harness.Api.Writes.Any(w => w is { Verb: "patch", Resource: "pods", Key.Name: "orphan" }));
    }

    [Fact]
    public async Task With_on_delete_a_new_template_waits_until_somebody_deletes_the_pod()
    {
        await using var harness = await StartAsync();
        var set = Set();
        set.Spec!.UpdateStrategy = new DaemonSetUpdateStrategy { Type = "OnDelete" };
        await harness.Api.CreateAsync(set, harness.Token);
        await harness.UntilAsync(() => Status(harness) is { NumberAvailable: 3 });
        await SetImageAsync(harness, "web:2");
        await harness.StaysAsync(() => harness.Api.PeekAll<Pod>().All(p => p.Spec!.Containers![0].Image == "web:1"), TimeSpan.FromSeconds(20));

        var victim = harness.Api.PeekAll<Pod>().First(p => NodeFit.TargetOf(p) == "n2");
        await harness.Api.DeleteAsync<Pod>(Objects.Ns, victim.Metadata.Name!, null, harness.Token);
        await harness.UntilAsync(() => harness.Api.PeekAll<Pod>().Count(p => p.IsReady()) == 3
            && harness.Api.PeekAll<Pod>().Where(p => p.Spec!.Containers![0].Image == "web:2").Select(NodeFit.TargetOf).SequenceEqual(["n2"]));
    }

    private static DaemonSet Set() => new()
    {
        Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = "ds" },
        Spec = new DaemonSetSpec { Selector = new LabelSelector { MatchLabels = Objects.Web }, Template = Objects.Template() },
    };

    private static DaemonSetStatus? Status(ControllerHarness harness) =>
        harness.Api.Peek<DaemonSet>(Objects.Ns, "ds") is { } set && set.Status?.ObservedGeneration == set.Metadata.Generation ? set.Status : null;

    private static List<string?> Targets(ControllerHarness harness) => [.. harness.Api.PeekAll<Pod>().Select(NodeFit.TargetOf).Order(StringComparer.Ordinal)];

    private static async Task SetImageAsync(ControllerHarness harness, string image)
    {
        var set = harness.Api.Peek<DaemonSet>(Objects.Ns, "ds")!;
        set.Spec!.Template!.Spec!.Containers![0].Image = image;
        set.Metadata.ResourceVersion = null;
        await harness.Api.UpdateAsync(set, harness.Token);
    }

    private static async Task<ControllerHarness> StartAsync()
    {
        var harness = new ControllerHarness();
        harness.Add(c => new DaemonSetController(c));
        harness.Kubelet = pod =>
        {
            if (pod.Metadata.DeletionTimestamp is null && string.IsNullOrEmpty(pod.Spec!.NodeName))
            {
                pod.Spec.NodeName = NodeFit.TargetOf(pod);
            }

            harness.ReadyKubelet(pod);
        };
        foreach (var node in new[] { "n1", "n2", "n3" })
        {
            harness.Api.Seed(Objects.Node(node));
        }

        await harness.StartAsync();
        return harness;
    }
}
