using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Kubelet.Checkpoints;
using Trireme.Kubelet.Configuration;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.PodWorkers;
using Trireme.Kubelet.Status;
using Trireme.TestKit;
using Trireme.TestKit.Client;
using Workers = Trireme.Kubelet.PodWorkers.PodWorkers;

namespace Trireme.Kubelet.Tests.Configuration;

/// <summary>Static pods and the API objects that show them.</summary>
public sealed class PodManagerTests : IPodSyncer, IPodTraces, IAsyncLifetime
{
    private const string Manifest = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  uid: static-1\nspec:\n  containers:\n  - name: main\n    image: app:1\n";

    private readonly TempDirectory _directory = new();
    private readonly FakeTimeProvider _time = new(Pods.Noon);
    private readonly FakeApiClient _api = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly InformerFactory _informers;
    private readonly Workers _workers;
    private readonly StatusManager _statuses;
    private readonly PodManager _pods;
    private Task _running = Task.CompletedTask;

    public PodManagerTests()
    {
        Directory.CreateDirectory(_directory["manifests"]);
        File.WriteAllText(Path.Combine(_directory["manifests"], "a.yaml"), Manifest);
        File.WriteAllText(Path.Combine(_directory["manifests"], "b.yaml"), Manifest.Replace("web", "copy", StringComparison.Ordinal));
        var checkpoints = new PodCheckpoints(new CheckpointStore(_directory["checkpoints"]), NullLogger<PodCheckpoints>.Instance);
        _informers = new InformerFactory(_api, NullLoggerFactory.Instance, _time);
        _workers = new Workers(this, _time, TimeSpan.FromSeconds(60), new Random(1), NullLogger<Workers>.Instance);
        _statuses = new StatusManager(_api, checkpoints, _time, NullLogger<StatusManager>.Instance);
        _pods = new PodManager(
            "node-1",
            _api,
            _informers.Filtered<Pod>(null, new ListOptions { FieldSelector = "spec.nodeName=node-1" }),
            new StaticPods(_directory["manifests"], "node-1", NullLogger<StaticPods>.Instance),
            checkpoints,
            _workers,
            _statuses,
            this,
            _time,
            NullLogger<PodManager>.Instance);
        _statuses.MirrorOf = _pods.MirrorOf;
    }

    private Pod? Mirror => _api.Peek<Pod>("default", "web-node-1");

    public ValueTask InitializeAsync()
    {
        _running = Task.WhenAll(_informers.RunAsync(_stop.Token), _statuses.RunAsync(_stop.Token), _pods.RunAsync(_stop.Token));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await _workers.DisposeAsync();
        _stop.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_manifest_with_the_uid_of_another_is_left_out()
    {
        await UntilAsync(() => Mirror is not null, "the static pod is shown");

        Assert.Equal("web-node-1", Assert.Single(_pods.Pods).Name());
        Assert.Null(_api.Peek<Pod>("default", "copy-node-1"));
    }

    [Fact]
    public async Task The_object_that_shows_a_static_pod_gets_its_status_again_when_it_is_lost()
    {
        await UntilAsync(() => Mirror?.Status?.Phase == PodPhase.Running, "the status is shown");
        var lost = Mirror!;
        lost.Status = new PodStatus { Phase = PodPhase.Unknown };
        _api.Seed(lost);
        await UntilAsync(() => Mirror?.Status?.Phase == PodPhase.Running, "the status is shown again");

        var first = Mirror!.Uid();
        _api.Remove<Pod>("default", "web-node-1");

        await UntilAsync(() => Mirror is { } another && another.Uid() != first && another.Status?.Phase == PodPhase.Running, "another object shows the status");
    }

    Task<SyncOutcome> IPodSyncer.SyncPodAsync(Pod pod, CancellationToken cancellationToken)
    {
        _statuses.Set(pod, new PodStatus { Phase = PodPhase.Running });
        return Task.FromResult(new SyncOutcome(false));
    }

    Task IPodSyncer.SyncTerminatingPodAsync(Pod pod, TimeSpan grace, WaitingReason? failure, CancellationToken cancellationToken) => Task.CompletedTask;

    Task IPodSyncer.SyncTerminatedPodAsync(Pod pod, bool removed, CancellationToken cancellationToken) => Task.CompletedTask;

    Task<IReadOnlyList<Pod>> IPodTraces.ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Pod>>([]);

    private Task UntilAsync(Func<bool> condition, string what) => Eventually.HoldsAsync(
        () =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return condition();
        },
        what);
}
