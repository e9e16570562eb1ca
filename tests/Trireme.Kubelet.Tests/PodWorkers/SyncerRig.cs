using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Events;
using Trireme.Kubelet.Cgroups;
using Trireme.Kubelet.Checkpoints;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Images;
using Trireme.Kubelet.Objects;
using Trireme.Kubelet.PodWorkers;
using Trireme.Kubelet.Probes;
using Trireme.Kubelet.Status;
using Trireme.Kubelet.Volumes;
using Trireme.TestKit;
using Trireme.TestKit.Client;
using Trireme.TestKit.Cri;

namespace Trireme.Kubelet.Tests.PodWorkers;

/// <summary>A pod syncer on a fake runtime, API and clock: a test calls its steps itself, in any order.</summary>
internal sealed class SyncerRig : IPodObjects, ICgroupManager, IEventRecorder, IProber, IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly HttpActions _http = new();
    private readonly ImageManager _images;

    public SyncerRig()
    {
        Cri = new FakeCri(Time);
        Api = new FakeApiClient(Time);
        Paths = new KubeletPaths(_directory["kubelet"], _directory["logs"]);
        Directory.CreateDirectory(Paths.PodLogs);
        Probes = new ProbeManager(this, this, Time);
        _images = new ImageManager(Cri, this, this, Time, 2);
        var none = new Dictionary<string, Quantity>();
        var configs = new RuntimeConfigFactory(
            Paths, new PodDns(["10.96.0.10"], "cluster.local", "/none"), this, new EnvironmentBuilder(this, () => none), 1L << 30);
        var runtime = new PodRuntime(
            Cri, configs, _images, new LifecycleHooks(Cri, _http, Time), Probes, this, this, new RuntimeClasses(Api, new CheckpointStore(Paths.Checkpoints)), Time, NullLogger<PodRuntime>.Instance);
        var volumes = new VolumeManager(Paths, new VolumePayload(this, () => none), new PersistentVolumes(Api, new CheckpointStore(Paths.Checkpoints)), Time, NullLogger<VolumeManager>.Instance);
        Statuses = new StatusManager(Api, new PodCheckpoints(new CheckpointStore(Paths.Checkpoints), NullLogger<PodCheckpoints>.Instance), Time, NullLogger<StatusManager>.Instance);
        Syncer = new PodSyncer(
            Cri, runtime, volumes, Probes, Statuses, this, this, Paths, () => ["10.99.0.1"], () => NetworkProblem, this, Time, NullLogger<PodSyncer>.Instance);
    }

    public FakeTimeProvider Time { get; } = new(Pods.Noon);

    public FakeCri Cri { get; }

    public FakeApiClient Api { get; }

    public KubeletPaths Paths { get; }

    public ProbeManager Probes { get; }

    public StatusManager Statuses { get; }

    public PodSyncer Syncer { get; }

    public string? NetworkProblem { get; set; }

    public Dictionary<string, ConfigMap> ConfigMaps { get; } = [];

    public List<string> Events { get; } = [];

    public PodStatus Status => Statuses.Get("uid-1")!;

    public ContainerStatus Main => Status.ContainerStatuses![0];

    /// <summary>Makes a claim that is bound to a volume.</summary>
    public void AddClaim(string name, PersistentVolumeSpec volume)
    {
        Api.Seed(new PersistentVolume { Metadata = new() { Name = "pv-" + name }, Spec = volume });
        Api.Seed(new PersistentVolumeClaim
        {
            Metadata = new() { Name = name, Namespace = "default" },
            Spec = new PersistentVolumeClaimSpec { VolumeName = "pv-" + name },
            Status = new PersistentVolumeClaimStatus { Phase = PersistentVolumeClaimPhase.Bound },
        });
    }

    public Task<SyncOutcome> SyncAsync(Pod pod) => Syncer.SyncPodAsync(pod, TestContext.Current.CancellationToken);

    public Task TerminateAsync(Pod pod, int grace = 30, WaitingReason? failure = null) =>
        Syncer.SyncTerminatingPodAsync(pod, TimeSpan.FromSeconds(grace), failure, TestContext.Current.CancellationToken);

    public Task<ConfigMap?> FindConfigMapAsync(Pod pod, string name, CancellationToken cancellationToken) => Task.FromResult(ConfigMaps.GetValueOrDefault(name));

    public Task<Secret?> FindSecretAsync(Pod pod, string name, CancellationToken cancellationToken) => Task.FromResult<Secret?>(null);

    public Task<string> GetTokenAsync(Pod pod, string? audience, long expirationSeconds, CancellationToken cancellationToken) => Task.FromResult("token");

    public Task<IEnumerable<Service>> ServicesAsync(string @namespace, CancellationToken cancellationToken) => Task.FromResult<IEnumerable<Service>>([]);

    public void Release(string podUid)
    {
    }

    public string PodCgroup(Pod pod) => "/kubepods/pod" + pod.Uid();

    public void EnsurePod(Pod pod)
    {
    }

    public bool TryRemovePod(string podUid) => true;

    public IReadOnlyCollection<string> ListPods() => [];

    public long? MemoryWorkingSet(string podUid) => null;

    public void Event(IKubernetesObject regarding, string type, string reason, string message, string? fieldPath = null)
    {
        lock (Events)
        {
            Events.Add(reason);
        }
    }

    public Task<ProbeAttempt> ProbeAsync(Probe probe, ProbeTarget target, CancellationToken cancellationToken) => Task.FromResult(new ProbeAttempt(true, ""));

    public async ValueTask DisposeAsync()
    {
        await Probes.DisposeAsync();
        _images.Dispose();
        _http.Dispose();
        _directory.Dispose();
    }
}
