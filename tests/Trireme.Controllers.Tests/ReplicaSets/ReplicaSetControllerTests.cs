using System.Net;
using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Controllers.ReplicaSets;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Tests.ReplicaSets;

public sealed class ReplicaSetControllerTests
{
    [Fact]
    public async Task As_many_pods_as_asked_for_are_created_and_no_more()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicaSetController(c));
        harness.Kubelet = harness.ReadyKubelet;
        await harness.StartAsync();
        harness.Api.Seed(Objects.ReplicaSet(5));

        await harness.UntilAsync(() => harness.Api.Peek<ReplicaSet>(Objects.Ns, "web")?.Status?.ReadyReplicas == 5);

        Assert.Equal(5, harness.Api.Writes.Count(w => w is { Verb: "create", Resource: "pods" }));
        Assert.All(harness.Api.PeekAll<Pod>(), p => Assert.Equal("web", OwnerReferences.ControllerOf(p)?.Name));
        Assert.All(harness.Api.PeekAll<Pod>(), p => Assert.StartsWith("web-", p.Metadata.Name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Scaling_down_deletes_the_pods_that_are_not_ready_first()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicaSetController(c));
        harness.Kubelet = harness.ReadyKubelet;
        await harness.StartAsync();
        harness.Api.Seed(Objects.ReplicaSet(4));
        await harness.UntilAsync(() => harness.Api.Peek<ReplicaSet>(Objects.Ns, "web")?.Status?.ReadyReplicas == 4);
        harness.Kubelet = null;
        var weak = harness.Api.PeekAll<Pod>()[2];
        harness.SetReady(weak, false);
        await harness.UntilAsync(() => harness.Api.Peek<ReplicaSet>(Objects.Ns, "web")?.Status?.ReadyReplicas == 3);

        var scaled = harness.Api.Peek<ReplicaSet>(Objects.Ns, "web")!;
        scaled.Spec!.Replicas = 3;
        await harness.Api.UpdateAsync(scaled, harness.Token);

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, weak.Metadata.Name!)?.Metadata.DeletionTimestamp is not null);
        Assert.Equal(3, harness.Api.PeekAll<Pod>().Count(p => p.IsActive()));
    }

    [Fact]
    public async Task A_pod_that_goes_is_replaced_at_once()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicaSetController(c));
        harness.Kubelet = harness.ReadyKubelet;
        await harness.StartAsync();
        harness.Api.Seed(Objects.ReplicaSet(2));
        await harness.UntilAsync(() => harness.Api.Peek<ReplicaSet>(Objects.Ns, "web")?.Status?.ReadyReplicas == 2);
        var victim = harness.Api.PeekAll<Pod>()[0].Metadata.Name!;

        await harness.Api.DeleteAsync<Pod>(Objects.Ns, victim, null, harness.Token);

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, victim) is null && harness.Api.PeekAll<Pod>().Count(p => p.IsReady()) == 2);
    }

    [Fact]
    public async Task Orphans_that_match_are_adopted_and_pods_that_no_longer_match_are_released()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicaSetController(c));
        harness.Kubelet = harness.ReadyKubelet;
        harness.Api.Seed(Objects.Pod("orphan"));
        await harness.StartAsync();
        harness.Api.Seed(Objects.ReplicaSet(1));
        await harness.UntilAsync(() => OwnerReferences.ControllerOf(harness.Api.Peek<Pod>(Objects.Ns, "orphan")!)?.Name == "web");
        Assert.Single(harness.Api.PeekAll<Pod>());

        var relabelled = harness.Api.Peek<Pod>(Objects.Ns, "orphan")!;
        relabelled.Metadata.Labels = new() { ["app"] = "other" };
        await harness.Api.UpdateAsync(relabelled, harness.Token);

        await harness.UntilAsync(() => OwnerReferences.ControllerOf(harness.Api.Peek<Pod>(Objects.Ns, "orphan")!) is null && harness.Api.PeekAll<Pod>().Count == 2);
    }

    [Fact]
    public async Task When_the_first_create_fails_the_rest_is_not_tried_and_the_status_says_why()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicaSetController(c));
        await harness.StartAsync();
        var quota = new Api.Models.Meta.V1.Status { Reason = "Forbidden", Code = 403, Message = "exceeded quota" };
        harness.Api.Intercept = r => r is { Verb: "create", Resource: "pods" } ? new Client.ApiException(System.Net.HttpStatusCode.Forbidden, quota) : null;
        harness.Api.Seed(Objects.ReplicaSet(100));

        await harness.UntilAsync(() =>
            harness.Api.Peek<ReplicaSet>(Objects.Ns, "web")?.Status?.Conditions?.Find(c => c.Type == "ReplicaFailure") is { Status: "True", Reason: "FailedCreate", Message: "exceeded quota" });

        Assert.InRange(harness.Api.Writes.Count(w => w is { Verb: "create", Resource: "pods" }), 1, 20);
        harness.Api.Intercept = null;
        await harness.UntilAsync(() => harness.Api.PeekAll<Pod>().Count == 100, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task A_refusal_whose_message_differs_each_time_is_tried_again_ever_more_slowly()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicaSetController(c));
        await harness.StartAsync();
        harness.Api.Intercept = r => r is { Verb: "create", Resource: "pods" }
            ? new ApiException(HttpStatusCode.Forbidden, new Status { Reason = "Forbidden", Code = 403, Message = $"pods \"{r.Key.Name}\" is forbidden" })
            : null;
        harness.Api.Seed(Objects.ReplicaSet(3));
        await harness.UntilAsync(() => Failure(harness) is not null);
        var first = Failure(harness)!;

        await harness.StaysAsync(() => Failure(harness) is { } now && now.Message == first.Message && now.LastTransitionTime == first.LastTransitionTime, TimeSpan.FromMinutes(2));
        Assert.InRange(harness.Api.Writes.Count(w => w is { Verb: "create", Resource: "pods" }), 5, 30);
        Assert.Single(harness.Api.Writes, w => w is { Subresource: "status", Resource: "replicasets.apps" });
    }

    [Fact]
    public async Task A_creation_that_is_never_seen_is_given_up_after_a_while_without_an_event()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicaSetController(c));
        await harness.StartAsync();

        // The call ends in a way that leaves open whether there is a pod.
        harness.Api.Intercept = r => r is { Verb: "create", Resource: "pods" } ? new OperationCanceledException() : null;
        harness.Api.Seed(Objects.ReplicaSet(1));
        await harness.UntilAsync(() => harness.Api.Writes.Any(w => w is { Verb: "create", Resource: "pods" }));
        harness.Api.Intercept = null;

        await harness.StaysAsync(() => harness.Api.PeekAll<Pod>().Count == 0, TimeSpan.FromMinutes(4), TimeSpan.FromSeconds(1));
        await harness.UntilAsync(() => harness.Api.PeekAll<Pod>().Count == 1, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task A_replication_controller_keeps_its_pods_as_a_replica_set_does()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ReplicationControllerController(c));
        harness.Kubelet = harness.ReadyKubelet;
        await harness.StartAsync();
        harness.Api.Seed(new ReplicationController
        {
            Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = "rc" },
            Spec = new ReplicationControllerSpec { Replicas = 2, Selector = Objects.Web, Template = Objects.Template() },
        });

        await harness.UntilAsync(() => harness.Api.Peek<ReplicationController>(Objects.Ns, "rc")?.Status is { ReadyReplicas: 2, Replicas: 2 });
        Assert.All(harness.Api.PeekAll<Pod>(), p => Assert.Equal(("ReplicationController", "rc"), (OwnerReferences.ControllerOf(p)?.Kind, OwnerReferences.ControllerOf(p)?.Name)));
    }

    [Fact]
    public void Pods_are_given_up_in_the_order_of_their_worth()
    {
        var now = new DateTimeOffset(2026, 1, 2, 0, 0, 0, TimeSpan.Zero);
        var unassigned = Objects.Pod("unassigned", node: null);
        var notReady = Objects.Pod("not-ready", ready: false);
        var cheap = Objects.Pod("cheap");
        cheap.Metadata.Annotations = new() { ["controller.kubernetes.io/pod-deletion-cost"] = "-5" };
        var crowded = Objects.Pod("crowded", node: "n2");
        var plain = Objects.Pod("plain");

        var order = PodRanking.LeastValuable([plain, crowded, cheap, notReady, unassigned], new Dictionary<string, int> { ["n1"] = 1, ["n2"] = 3 }, 4, now);

        Assert.Equal(["unassigned", "not-ready", "cheap", "crowded"], order.Select(p => p.Metadata.Name));
    }

    private static ReplicaSetCondition? Failure(ControllerHarness harness) =>
        harness.Api.Peek<ReplicaSet>(Objects.Ns, "web")?.Status?.Conditions?.Find(c => c is { Type: "ReplicaFailure", Status: "True" });
}
