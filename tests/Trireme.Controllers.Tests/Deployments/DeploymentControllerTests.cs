using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Controllers.Deployments;
using Trireme.Controllers.ReplicaSets;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Tests.Deployments;

public sealed class DeploymentControllerTests
{
    [Fact]
    public async Task A_new_deployment_becomes_available_and_complete()
    {
        await using var harness = await StartAsync(Objects.Deployment(3));

        await UntilCompleteAsync(harness, 3);

        var deployment = Web(harness);
        Assert.Equal("1", deployment.Metadata.Annotations!["deployment.kubernetes.io/revision"]);
        Assert.Equal("True", Condition(deployment, "Available")?.Status);
        Assert.Equal("NewReplicaSetAvailable", Condition(deployment, "Progressing")?.Reason);
        var replicaSet = Assert.Single(harness.Api.PeekAll<ReplicaSet>());
        var hash = replicaSet.Metadata.Labels!["pod-template-hash"];
        Assert.Equal($"web-{hash}", replicaSet.Metadata.Name);
        Assert.Equal(hash, replicaSet.Spec!.Selector!.MatchLabels!["pod-template-hash"]);
        Assert.All(harness.Api.PeekAll<Pod>(), p => Assert.Equal(hash, p.Metadata.Labels!["pod-template-hash"]));
    }

    [Fact]
    public async Task A_rolling_update_stays_within_surge_and_unavailability()
    {
        await using var harness = await StartAsync(Objects.Deployment(10, surge: 2, unavailable: 3));
        await UntilCompleteAsync(harness, 10);

        await SetImageAsync(harness, "web:2");
        var (most, fewest) = (0, int.MaxValue);
        await harness.UntilAsync(() =>
        {
            var pods = harness.Api.PeekAll<Pod>();
            most = Math.Max(most, harness.Api.PeekAll<ReplicaSet>().Sum(r => r.Spec!.Replicas ?? 0));
            fewest = Math.Min(fewest, pods.Count(p => p.IsReady() && p.IsActive()));
            return IsComplete(harness, 10) && pods.All(p => p.Spec!.Containers![0].Image == "web:2");
        });

        Assert.InRange(most, 10, 12);
        Assert.True(fewest >= 7, $"only {fewest} were available");
        Assert.Equal("2", Web(harness).Metadata.Annotations!["deployment.kubernetes.io/revision"]);
        Assert.Equal(2, harness.Api.PeekAll<ReplicaSet>().Count);
    }

    [Fact]
    public async Task What_was_given_up_already_is_not_given_up_again_while_its_status_lags()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new DeploymentController(c));
        await harness.StartAsync();
        await harness.Api.CreateAsync(Objects.Deployment(10, surge: 2, unavailable: 3), harness.Token);
        await harness.UntilAsync(() => harness.Api.PeekAll<ReplicaSet>() is [{ Spec.Replicas: 10 }]);
        var old = harness.Api.PeekAll<ReplicaSet>()[0].Metadata.Name!;
        await ReportAsync(old, available: 10);

        // Nobody shrinks the old ReplicaSet's status: it goes on to say ten.
        await SetImageAsync(harness, "web:2");
        await harness.UntilAsync(() => Size(old) == 7 && harness.Api.PeekAll<ReplicaSet>().Sum(r => r.Spec!.Replicas) == 12);
        await ReportAsync(harness.Api.PeekAll<ReplicaSet>().Single(r => r.Metadata.Name != old).Metadata.Name!, available: 2);

        await harness.UntilAsync(() => Size(old) == 5 && harness.Api.PeekAll<ReplicaSet>().Sum(r => r.Spec!.Replicas) == 12);

        int? Size(string name) => harness.Api.Peek<ReplicaSet>(Objects.Ns, name)!.Spec!.Replicas;

        Task ReportAsync(string name, int available) => RetryAsync(() =>
        {
            var replicaSet = harness.Api.Peek<ReplicaSet>(Objects.Ns, name)!;
            replicaSet.Status = new ReplicaSetStatus { Replicas = available, ReadyReplicas = available, AvailableReplicas = available };
            return harness.Api.UpdateStatusAsync(replicaSet, harness.Token);
        });
    }

    [Fact]
    public async Task A_template_that_never_gets_ready_leaves_enough_of_the_old_one_serving_and_times_out()
    {
        await using var harness = await StartAsync(Objects.Deployment(4, surge: 1, unavailable: 1));
        await UntilCompleteAsync(harness, 4);
        harness.Kubelet = pod =>
        {
            if (pod.Spec!.Containers![0].Image != "web:bad" || pod.Metadata.DeletionTimestamp is not null)
            {
                harness.ReadyKubelet(pod);
            }
        };

        await SetImageAsync(harness, "web:bad");

        await harness.UntilAsync(() => Condition(Web(harness), "Progressing")?.Reason == "ProgressDeadlineExceeded", TimeSpan.FromSeconds(2));
        Assert.Equal(3, harness.Api.PeekAll<Pod>().Count(p => p.IsReady() && p.IsActive()));
        Assert.Equal("False", Condition(Web(harness), "Progressing")?.Status);
    }

    [Fact]
    public async Task Rolling_back_takes_the_old_replica_set_again_and_renumbers_it()
    {
        await using var harness = await StartAsync(Objects.Deployment(2));
        await UntilCompleteAsync(harness, 2);
        var first = Assert.Single(harness.Api.PeekAll<ReplicaSet>()).Metadata.Name;
        await SetImageAsync(harness, "web:2");
        await harness.UntilAsync(() => IsComplete(harness, 2) && harness.Api.PeekAll<Pod>().All(p => p.Spec!.Containers![0].Image == "web:2"));

        await SetImageAsync(harness, "web:1");
        await harness.UntilAsync(() => IsComplete(harness, 2) && harness.Api.PeekAll<Pod>().All(p => p.Spec!.Containers![0].Image == "web:1"));

        Assert.Equal(2, harness.Api.PeekAll<ReplicaSet>().Count);
        var again = harness.Api.Peek<ReplicaSet>(Objects.Ns, first!)!;
        Assert.Equal("3", again.Metadata.Annotations!["deployment.kubernetes.io/revision"]);
        Assert.Equal("1", again.Metadata.Annotations["deployment.kubernetes.io/revision-history"]);
    }

    [Fact]
    public async Task Recreate_lets_no_old_pod_live_beside_a_new_one()
    {
        var deployment = Objects.Deployment(3);
        deployment.Spec!.Strategy = new DeploymentStrategy { Type = "Recreate" };
        await using var harness = await StartAsync(deployment);
        await UntilCompleteAsync(harness, 3);

        await SetImageAsync(harness, "web:2");
        await harness.UntilAsync(() =>
        {
            var images = harness.Api.PeekAll<Pod>().Where(p => !p.IsTerminal()).Select(p => p.Spec!.Containers![0].Image).Distinct().ToList();
            Assert.True(images.Count <= 1, "old and new pods at the same time");
            return IsComplete(harness, 3) && images is ["web:2"];
        });
    }

    [Fact]
    public async Task A_paused_deployment_scales_but_rolls_nothing_out()
    {
        await using var harness = await StartAsync(Objects.Deployment(2));
        await UntilCompleteAsync(harness, 2);
        var paused = Web(harness);
        paused.Spec!.Paused = true;
        paused.Spec.Replicas = 4;
        paused.Spec.Template!.Spec!.Containers![0].Image = "web:2";
        await harness.Api.UpdateAsync(paused, harness.Token);

        await harness.UntilAsync(() => harness.Api.PeekAll<Pod>().Count(p => p.IsReady()) == 4);
        Assert.Single(harness.Api.PeekAll<ReplicaSet>());
        Assert.Equal("DeploymentPaused", Condition(Web(harness), "Progressing")?.Reason);

        var resumed = Web(harness);
        resumed.Spec!.Paused = false;
        await harness.Api.UpdateAsync(resumed, harness.Token);
        await harness.UntilAsync(() => IsComplete(harness, 4) && harness.Api.PeekAll<Pod>().All(p => p.Spec!.Containers![0].Image == "web:2"));
    }

    [Fact]
    public async Task Old_revisions_beyond_the_limit_are_removed()
    {
        var deployment = Objects.Deployment(1);
        deployment.Spec!.RevisionHistoryLimit = 1;
        await using var harness = await StartAsync(deployment);
        await UntilCompleteAsync(harness, 1);
        foreach (var image in new[] { "web:2", "web:3", "web:4" })
        {
            await SetImageAsync(harness, image);
            await harness.UntilAsync(() => IsComplete(harness, 1) && harness.Api.PeekAll<Pod>().All(p => p.Spec!.Containers![0].Image == image));
        }

        await harness.UntilAsync(() => harness.Api.PeekAll<ReplicaSet>().Count == 2);
    }

    [Fact]
    public async Task Nothing_is_written_once_all_is_as_it_should_be()
    {
        await using var harness = await StartAsync(Objects.Deployment(3));
        await UntilCompleteAsync(harness, 3);
        await harness.StaysAsync(() => true, TimeSpan.FromSeconds(5));
        harness.Api.ClearRequests();

        await harness.StaysAsync(() => !harness.Api.Writes.Any(), TimeSpan.FromSeconds(60));
    }

    [Fact]
    public void Scaling_in_the_middle_of_a_rollout_keeps_the_proportions()
    {
        var deployment = Objects.Deployment(20, surge: 5, unavailable: 2);
        var (old, young) = (Sized("old", 8, 10, 15), Sized("young", 5, 10, 15));
        young.Metadata.CreationTimestamp = DateTimeOffset.UnixEpoch.AddHours(1);

        var sizes = RolloutMath.Proportional(deployment, [old, young]);

        Assert.Equal(25, sizes.Values.Sum());
        Assert.True(sizes["old"] > sizes["young"]);
    }

    [Fact]
    public void The_hash_of_a_template_depends_on_what_it_says_and_not_on_the_order_of_its_labels()
    {
        var (one, other) = (Objects.Template(), Objects.Template());
        one.Metadata!.Labels = new() { ["a"] = "1", ["b"] = "2" };
        other.Metadata!.Labels = new() { ["b"] = "2", ["a"] = "1" };

        Assert.Equal(Revisions.Hash(one, null), Revisions.Hash(other, null));
        Assert.NotEqual(Revisions.Hash(one, null), Revisions.Hash(one, 1));
        Assert.NotEqual(Revisions.Hash(one, null), Revisions.Hash(Objects.Template("x"), null));
    }

    private static ReplicaSet Sized(string name, int replicas, int desired, int max)
    {
        var replicaSet = Objects.ReplicaSet(replicas, name);
        replicaSet.Metadata.CreationTimestamp = DateTimeOffset.UnixEpoch;
        replicaSet.Metadata.Annotations = new() { [Revisions.DesiredReplicas] = $"{desired}", [Revisions.MaxReplicas] = $"{max}" };
        return replicaSet;
    }

    private static async Task<ControllerHarness> StartAsync(Deployment deployment)
    {
        var harness = new ControllerHarness();
        harness.Add(c => new DeploymentController(c));
        harness.Add(c => new ReplicaSetController(c));
        harness.Kubelet = harness.ReadyKubelet;
        await harness.StartAsync();
        await harness.Api.CreateAsync(deployment, harness.Token);
        return harness;
    }

    private static Deployment Web(ControllerHarness harness) => harness.Api.Peek<Deployment>(Objects.Ns, "web")!;

    private static DeploymentCondition? Condition(Deployment deployment, string type) => deployment.Status?.Conditions?.Find(c => c.Type == type);

    private static bool IsComplete(ControllerHarness harness, int replicas) =>
        Web(harness) is { Status: { } status } web
        && status.ObservedGeneration == web.Metadata.Generation && status.UpdatedReplicas == replicas && status.AvailableReplicas == replicas && status.Replicas == replicas;

    private static Task UntilCompleteAsync(ControllerHarness harness, int replicas) => harness.UntilAsync(
        () => IsComplete(harness, replicas) && Condition(Web(harness), "Progressing")?.Reason == "NewReplicaSetAvailable");

    private static Task SetImageAsync(ControllerHarness harness, string image) => RetryAsync(() =>
    {
        var deployment = Web(harness);
        deployment.Spec!.Template!.Spec!.Containers![0].Image = image;
        return harness.Api.UpdateAsync(deployment, harness.Token);
    });

    private static async Task RetryAsync(Func<Task> update)
    {
        while (true)
        {
            try
            {
                await update();
                return;
            }
            catch (Client.ApiException e) when (e.IsConflict)
            {
                // The controller was faster.
            }
        }
    }
}
