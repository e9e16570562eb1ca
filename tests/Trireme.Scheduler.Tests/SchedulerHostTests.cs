using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Models.Storage.V1;
using Trireme.Api.Volumes;
using Trireme.TestKit;
using Trireme.TestKit.Client;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests;

/// <summary>The whole component against an API in memory.</summary>
public sealed class SchedulerHostTests
{
    private readonly FakeApiClient _api = new();

    [Fact]
    public async Task Pods_are_bound_through_the_api_and_told_so()
    {
        await using var scheduler = Start();
        _api.Seed(Node("a"));
        _api.Seed(Pod("p"));

        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "p")!.Spec!.NodeName == "a", "bound");
        await Eventually.HoldsAsync(() => _api.PeekAll<Event>("default").Any(e => e.Reason == "Scheduled"), "event");
        Assert.Equal("Successfully assigned default/p to a", _api.PeekAll<Event>("default").Single().Message);
    }

    [Fact]
    public async Task A_pod_without_a_node_says_why_and_is_bound_when_one_comes()
    {
        await using var scheduler = Start();
        _api.Seed(Node("small", cpu: "1"));
        _api.Seed(Pod("p", cpu: "2"));
        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "p")!.Status?.Conditions is { Count: > 0 }, "condition");

        var condition = _api.Peek<Pod>("default", "p")!.Status!.Conditions!.Single();
        Assert.Equal(("PodScheduled", "False", "Unschedulable"), (condition.Type, condition.Status, condition.Reason));
        Assert.StartsWith("0/1 nodes are available: 1 Insufficient cpu.", condition.Message, StringComparison.Ordinal);
        _api.Seed(Node("large", cpu: "4"));
        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "p")!.Spec!.NodeName == "large", "bound");
    }

    [Fact]
    public async Task Two_schedulers_bind_each_pod_once_and_the_second_takes_over()
    {
        var first = Start(leaderElect: true);
        await using var second = Start(leaderElect: true);
        _api.Seed(Node("a", pods: 1000));
        _api.Seed(Pod("p0"));
        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "p0")!.Spec!.NodeName == "a", "bound by the first");
        var holder = _api.Peek<Lease>("kube-system", "kube-scheduler")!.Spec!.HolderIdentity;
        await first.DisposeAsync();

        _api.Seed(Pod("p1"));
        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "p1")!.Spec!.NodeName == "a", "bound by either");
        Assert.NotNull(holder);
        Assert.Equal(2, _api.Writes.Count(w => w is { Resource: "pods", Subresource: "binding" }));
    }

    [Fact]
    public async Task A_refused_binding_is_tried_again()
    {
        var refusals = 1;
        _api.Intercept = request => request.Subresource == "binding" && Interlocked.Decrement(ref refusals) >= 0
            ? new Client.ApiUnavailableException("No server could be reached")
            : null;
        await using var scheduler = Start();
        _api.Seed(Node("a"));
        _api.Seed(Pod("p"));

        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "p")!.Spec!.NodeName == "a", "bound at last");
    }

    [Fact]
    public async Task A_binding_whose_answer_is_lost_is_asked_for_again_and_found_done()
    {
        var losses = 1;
        _api.LoseAnswer = request => request.Subresource == "binding" && Interlocked.Decrement(ref losses) >= 0
            ? new Client.ApiUnavailableException("The connection broke")
            : null;
        await using var scheduler = Start();
        _api.Seed(Node("a"));
        _api.Seed(Pod("p"));

        await Eventually.HoldsAsync(() => _api.PeekAll<Event>("default").Any(e => e.Reason == "Scheduled"), "event");
        Assert.Equal(2, _api.Writes.Count(w => w.Subresource == "binding"));
        Assert.DoesNotContain(_api.PeekAll<Event>("default"), e => e.Reason == "FailedScheduling");
    }

    [Fact]
    public async Task A_pod_is_bound_after_the_volume_that_was_chosen_for_it()
    {
        await using var scheduler = Start();
        _api.Seed(new StorageClass { Metadata = new ObjectMeta { Name = "local" }, Provisioner = "kubernetes.io/no-provisioner", VolumeBindingMode = "WaitForFirstConsumer" });
        _api.Seed(Node("a"));
        _api.Seed(Node("b"));
        _api.Seed(Volume("v", node: "b"));
        _api.Seed(Claim("c"));
        _api.Seed(Pod("p").WithClaim("c"));
        await Eventually.HoldsAsync(() => _api.Peek<PersistentVolume>(null, "v")!.Spec!.ClaimRef is { Name: "c", Uid: "uid-c" }, "kept for the claim");
        Assert.DoesNotContain(_api.Writes, w => w.Subresource == "binding");

        // What the volume controller does.
        var claim = _api.Peek<PersistentVolumeClaim>("default", "c")!;
        claim.Spec!.VolumeName = "v";
        claim.Metadata.Annotations = new() { [VolumeClaims.BindCompleted] = "yes" };
        _api.Seed(claim);
        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "p")!.Spec!.NodeName == "b", "bound");
    }

    private Running Start(bool leaderElect = false)
    {
        var options = new SchedulerOptions { LeaderElect = leaderElect, SecurePort = null, Seed = 1, PodInitialBackoff = TimeSpan.FromMilliseconds(10) };
        var stopping = new CancellationTokenSource();
        return new Running(SchedulerHost.RunAsync(options, _api, null, NullLoggerFactory.Instance, TimeProvider.System, stopping.Token), stopping);
    }

    private sealed class Running(Task run, CancellationTokenSource stopping) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await stopping.CancelAsync();
            await run;
            stopping.Dispose();
        }
    }
}
