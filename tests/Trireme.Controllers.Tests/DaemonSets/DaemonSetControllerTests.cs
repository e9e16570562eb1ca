using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
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
