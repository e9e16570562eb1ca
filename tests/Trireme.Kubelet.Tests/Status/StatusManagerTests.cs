using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Kubelet.Checkpoints;
using Trireme.Kubelet.Status;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Kubelet.Tests.Status;

public sealed class StatusManagerTests : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();
    private readonly FakeApiClient _api = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly PodCheckpoints _checkpoints;
    private readonly StatusManager _statuses;
    private Task _running = Task.CompletedTask;

    public StatusManagerTests()
    {
        _checkpoints = new PodCheckpoints(new CheckpointStore(_directory.Path), NullLogger<PodCheckpoints>.Instance);
        _statuses = new StatusManager(_api, _checkpoints, TimeProvider.System, NullLogger<StatusManager>.Instance);
    }

    private Pod Shown => _api.Peek<Pod>("default", "web")!;

    public ValueTask InitializeAsync()
    {
        _running = _statuses.RunAsync(_stop.Token);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_status_reaches_the_api_over_a_newer_version_and_keeps_the_conditions_of_others()
    {
        var old = _api.Seed(Pods.Make("a"));
        var newer = old.Clone();
        newer.Metadata.Labels = new() { ["by"] = "others" };
        newer.Status = new PodStatus { Conditions = [new PodCondition { Type = "example.org/lb", Status = "True" }] };
        _api.Seed(newer);

        _statuses.Set(old, Status(PodPhase.Running, "True"));

        await Eventually.HoldsAsync(() => Shown.Status?.Phase == PodPhase.Running, "the status is shown");
        Assert.Equal(["Ready", "example.org/lb"], Shown.Status!.Conditions!.Select(c => c.Type));
        Assert.Equal("others", Shown.Metadata.Labels!["by"]);
    }

    [Fact]
    public async Task Equal_statuses_are_sent_once()
    {
        var pod = _api.Seed(Pods.Make("a"));
        _statuses.Set(pod, Status(PodPhase.Running, "True"));
        await Eventually.HoldsAsync(() => Shown.Status?.Phase == PodPhase.Running, "the status is shown");

        _statuses.Set(pod, Status(PodPhase.Running, "True"));
        _statuses.Set(pod, Status(PodPhase.Running, "False"));
        await Eventually.HoldsAsync(() => Shown.Status!.Conditions![0].Status == "False", "the next status is shown");

        Assert.True(_api.Writes.Count() <= 3, "two statuses, one of which may meet a conflict");
    }

    [Fact]
    public async Task A_status_that_somebody_has_overwritten_is_sent_again()
    {
        var pod = _api.Seed(Pods.Make("a"));
        _statuses.Set(pod, Status(PodPhase.Running, "True"));
        await Eventually.HoldsAsync(() => Shown.Status?.Phase == PodPhase.Running, "the status is shown");

        // As the node controller does with the pods of a node of which it has not heard for a while.
        var overwritten = Shown;
        overwritten.Status!.Conditions![0].Status = "False";
        _statuses.Observe(_api.Seed(overwritten));

        await Eventually.HoldsAsync(() => Shown.Status!.Conditions![0].Status == "True", "the pod is ready again");
    }

    [Fact]
    public async Task A_deleted_pod_goes_only_after_its_last_status_and_only_itself()
    {
        var pod = Pods.Make("a");
        pod.Metadata.DeletionTimestamp = Pods.Noon;
        pod.Metadata.DeletionGracePeriodSeconds = 30;
        pod = _api.Seed(pod);
        var allowed = false;
        _api.Intercept = r => r.Subresource == "status" && !Volatile.Read(ref allowed) ? new ApiUnavailableException("not now") : null;
        _statuses.Set(pod, Status(PodPhase.Succeeded, "False"));
        _statuses.SetTerminated(pod);
        await Eventually.HoldsAsync(() => _api.Requests.Any(r => r.Subresource == "status"), "the status is tried");
        Assert.DoesNotContain(_api.Requests, r => r.Verb == "delete");

        Volatile.Write(ref allowed, true);
        _statuses.Observe(pod);

        await Eventually.HoldsAsync(() => _api.Peek<Pod>("default", "web") is null, "the pod is gone");
    }

    [Fact]
    public async Task A_pod_that_was_replaced_by_another_of_its_name_is_left_alone()
    {
        var old = _api.Seed(Pods.Make("a"));
        await _api.DeleteAsync<Pod>("default", "web", new DeleteRequest(0), TestContext.Current.CancellationToken);
        var other = Pods.Make("a");
        other.Metadata.Uid = "uid-2";
        _api.Seed(other);

        _statuses.Set(old, Status(PodPhase.Failed, "False"));
        await Eventually.HoldsAsync(() => _api.Requests.Any(r => r.Verb == "get"), "the conflict is looked into");

        Assert.NotEqual(PodPhase.Failed, Shown.Status?.Phase);
    }

    [Fact]
    public void That_a_pod_has_ended_is_kept_on_disk()
    {
        _statuses.Set(Pods.Make("a"), Status(PodPhase.Succeeded, "False"));

        Assert.Equal(PodPhase.Succeeded, Assert.Single(_checkpoints.Load()).Status!.Phase);
    }

    private static PodStatus Status(string phase, string ready) => new()
    {
        Phase = phase,
        Conditions = [new PodCondition { Type = "Ready", Status = ready }],
    };
}
