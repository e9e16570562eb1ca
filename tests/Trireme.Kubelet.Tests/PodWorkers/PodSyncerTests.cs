using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.Tests.PodWorkers;

public sealed class PodSyncerTests : IAsyncDisposable
{
    private readonly SyncerRig _rig = new();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_pod_gets_its_sandbox_then_init_containers_then_containers()
    {
        var pod = Pods.Make("main");
        pod.Spec!.InitContainers = [Pods.Container("prepare")];

        var first = await _rig.SyncAsync(pod);
        Assert.True(first.RetryAfter < TimeSpan.FromSeconds(1));
        Assert.Equal(PodPhase.Pending, _rig.Status.Phase);
        _rig.Cri.Exit("prepare", 0);
        await _rig.SyncAsync(pod);

        Assert.Equal(["RunPodSandbox default/web", "CreateContainer prepare", "StartContainer prepare", "CreateContainer main", "StartContainer main"],
            _rig.Cri.Calls.Where(c => !c.StartsWith("Pull", StringComparison.Ordinal)));
        Assert.Equal((PodPhase.Running, true), (_rig.Status.Phase, _rig.Main.Ready));
        Assert.Equal(["Pulling", "Pulled", "Created", "Started", "Pulled", "Created", "Started"], _rig.Events);
    }

    [Fact]
    public async Task Syncing_again_changes_nothing()
    {
        var pod = Pods.Make("main");
        await _rig.SyncAsync(pod);
        var calls = _rig.Cri.Calls.Count;
        var status = _rig.Status;

        await _rig.SyncAsync(pod);

        Assert.Equal(calls, _rig.Cri.Calls.Count);
        Assert.Same(status, _rig.Status);
    }

    [Fact]
    public async Task A_crashing_container_is_restarted_at_once_and_then_ever_more_slowly()
    {
        var pod = Pods.Make("main");
        await _rig.SyncAsync(pod);

        _rig.Cri.Exit("main", 1);
        await _rig.SyncAsync(pod);
        Assert.Equal((1, true), (_rig.Main.RestartCount, _rig.Main.State!.Running is not null));

        foreach (var seconds in (int[])[10, 20, 40])
        {
            _rig.Cri.Exit("main", 1);
            var restarts = _rig.Main.RestartCount;
            var outcome = await _rig.SyncAsync(pod);
            Assert.Equal((TimeSpan.FromSeconds(seconds), "CrashLoopBackOff"), (Round(outcome.RetryAfter), _rig.Main.State!.Waiting!.Reason));
            _rig.Time.Advance(TimeSpan.FromSeconds(seconds));
            await _rig.SyncAsync(pod);
            Assert.Equal(restarts + 1, _rig.Main.RestartCount);
            Assert.Equal(1, _rig.Main.LastState!.Terminated!.ExitCode);
        }

        static TimeSpan Round(TimeSpan? time) => TimeSpan.FromSeconds(Math.Round(time!.Value.TotalSeconds));
    }

    [Fact]
    public async Task An_image_that_cannot_be_pulled_is_tried_again_after_a_while()
    {
        _rig.Cri.Registry = [];
        var pod = Pods.Make("main");

        await _rig.SyncAsync(pod);
        Assert.Equal("ErrImagePull", _rig.Main.State!.Waiting!.Reason);
        await _rig.SyncAsync(pod);
        Assert.Equal("ImagePullBackOff", _rig.Main.State!.Waiting!.Reason);

        _rig.Cri.Registry = null;
        _rig.Time.Advance(TimeSpan.FromSeconds(11));
        await _rig.SyncAsync(pod);
        Assert.Equal(PodPhase.Running, _rig.Status.Phase);
    }

    [Fact]
    public async Task A_missing_config_map_holds_a_volume_and_a_variable_back()
    {
        var pod = Pods.Make("main");
        pod.Spec!.Volumes = [new Volume { Name = "v", ConfigMap = new ConfigMapVolumeSource { Name = "settings" } }];

        Assert.True((await _rig.SyncAsync(pod)).Failed);
        Assert.Contains("FailedMount", _rig.Events);

        pod.Spec.Volumes = null;
        pod.Spec.Containers![0].Env = [new EnvVar { Name = "A", ValueFrom = new EnvVarSource { ConfigMapKeyRef = new ConfigMapKeySelector { Name = "settings", Key = "a" } } }];
        await _rig.SyncAsync(pod);
        Assert.Equal(("CreateContainerConfigError", "configmap \"settings\" not found"), (_rig.Main.State!.Waiting!.Reason, _rig.Main.State.Waiting.Message));

        _rig.ConfigMaps["settings"] = new ConfigMap { Data = new() { ["a"] = "1" } };
        await _rig.SyncAsync(pod);
        Assert.Contains(_rig.Cri.Configs("main")[^1].Envs, e => e is { Key: "A", Value: "1" });
    }

    [Fact]
    public async Task A_config_map_that_is_deleted_leaves_a_running_pod_its_content_and_its_restarts()
    {
        _rig.ConfigMaps["settings"] = new ConfigMap { Data = new() { ["a"] = "1" } };
        var pod = Pods.Make("main");
        pod.Spec!.Volumes = [new Volume { Name = "v", ConfigMap = new ConfigMapVolumeSource { Name = "settings" } }];
        pod.Spec.Containers![0].VolumeMounts = [new VolumeMount { Name = "v", MountPath = "/v" }];
        await _rig.SyncAsync(pod);

        _rig.ConfigMaps.Clear();
        _rig.Cri.Exit("main", 1);
        var outcome = await _rig.SyncAsync(pod);

        Assert.False(outcome.Failed);
        Assert.Contains("FailedMount", _rig.Events);
        Assert.Equal((1, PodPhase.Running), (_rig.Main.RestartCount, _rig.Status.Phase));
        Assert.Equal("1", File.ReadAllText(Path.Combine(_rig.Cri.Configs("main")[^1].Mounts[0].HostPath, "a")));
    }

    [Fact]
    public async Task A_volume_that_is_not_ready_holds_no_other_back()
    {
        var pod = Pods.Make("main");
        pod.Spec!.Volumes =
        [
            new Volume { Name = "missing", ConfigMap = new ConfigMapVolumeSource { Name = "settings" } },
            new Volume { Name = "scratch", EmptyDir = new EmptyDirVolumeSource() },
        ];

        Assert.True((await _rig.SyncAsync(pod)).Failed);

        Assert.True(Directory.Exists(_rig.Paths.Volume("uid-1", "empty-dir", "scratch")));
    }

    [Fact]
    public async Task What_the_kubelet_writes_and_claims_for_reading_are_mounted_read_only()
    {
        _rig.ConfigMaps["settings"] = new ConfigMap { Data = new() { ["a"] = "1" } };
        _rig.AddClaim("data", new PersistentVolumeSpec { HostPath = new HostPathVolumeSource { Path = "/" } });
        var pod = Pods.Make("main");
        pod.Spec!.Volumes =
        [
            new Volume { Name = "settings", ConfigMap = new ConfigMapVolumeSource { Name = "settings" } },
            new Volume { Name = "data", PersistentVolumeClaim = new PersistentVolumeClaimVolumeSource { ClaimName = "data", ReadOnly = true } },
            new Volume { Name = "scratch", EmptyDir = new EmptyDirVolumeSource() },
        ];
        pod.Spec.Containers![0].VolumeMounts = [.. pod.Spec.Volumes.Select(v => new VolumeMount { Name = v.Name, MountPath = "/" + v.Name })];

        await _rig.SyncAsync(pod);

        Assert.Equal(
            [("/settings", true), ("/data", true), ("/scratch", false)],
            _rig.Cri.Configs("main")[0].Mounts.Take(3).Select(m => (m.ContainerPath, m.Readonly)));
    }

    [Fact]
    public async Task A_local_volume_is_given_to_the_pods_group()
    {
        var place = Path.Combine(_rig.Paths.Root, "disk");
        Directory.CreateDirectory(place);
        _rig.AddClaim("data", new PersistentVolumeSpec { Local = new LocalVolumeSource { Path = place } });
        var pod = Pods.Make("main");
        pod.Spec!.SecurityContext = new PodSecurityContext { FsGroup = 0 };
        pod.Spec.Volumes = [new Volume { Name = "data", PersistentVolumeClaim = new PersistentVolumeClaimVolumeSource { ClaimName = "data" } }];

        await _rig.SyncAsync(pod);

        Assert.True(File.GetUnixFileMode(place).HasFlag(UnixFileMode.SetGroup | UnixFileMode.GroupWrite));
    }

    [Fact]
    public async Task A_container_that_cannot_be_made_is_tried_again_soon()
    {
        _rig.Cri.Intercept = call => call == "CreateContainer main" ? new Kubelet.Cri.CriException(Grpc.Core.StatusCode.Unknown, "name is reserved") : null;

        var outcome = await _rig.SyncAsync(Pods.Make("main"));

        Assert.Equal(("CreateContainerError", TimeSpan.FromSeconds(10)), (_rig.Main.State!.Waiting!.Reason, outcome.RetryAfter));
    }

    [Fact]
    public async Task An_init_container_that_runs_for_long_is_looked_at_ever_less_often()
    {
        var pod = Pods.Make("main");
        pod.Spec!.InitContainers = [Pods.Container("prepare")];
        Assert.Equal(TimeSpan.FromMilliseconds(400), (await _rig.SyncAsync(pod)).RetryAfter);

        _rig.Time.Advance(TimeSpan.FromSeconds(20));
        var later = (await _rig.SyncAsync(pod)).RetryAfter!.Value;
        _rig.Time.Advance(TimeSpan.FromHours(1));

        Assert.Equal((4, TimeSpan.FromSeconds(10)), (Math.Round(later.TotalSeconds), (await _rig.SyncAsync(pod)).RetryAfter!.Value));
    }

    [Fact]
    public async Task After_a_power_cut_everything_comes_back_in_a_new_sandbox()
    {
        var pod = Pods.Make("main");
        await _rig.SyncAsync(pod);

        _rig.Cri.LosePower();
        await _rig.SyncAsync(pod);

        Assert.Equal((PodPhase.Running, 1), (_rig.Status.Phase, _rig.Main.RestartCount));
        Assert.Equal(2, _rig.Cri.Calls.Count(c => c.StartsWith("RunPodSandbox", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_pod_waits_for_the_network()
    {
        _rig.NetworkProblem = "cni plugin not initialized";

        await _rig.SyncAsync(Pods.Make("main"));

        Assert.Empty(_rig.Cri.Calls);
        Assert.Contains("NetworkNotReady", _rig.Events);
    }

    [Fact]
    public async Task Termination_runs_the_hook_stops_within_the_grace_and_leaves_nothing()
    {
        var pod = Pods.Make("main");
        pod.Spec!.Containers![0].Lifecycle = new Lifecycle { PreStop = new LifecycleHandler { Exec = new ExecAction { Command = ["bye"] } } };
        await _rig.SyncAsync(pod);
        pod.Metadata.DeletionTimestamp = Pods.Noon;

        await _rig.TerminateAsync(pod, grace: 7);
        Assert.Equal(["ExecSync main bye", "StopContainer main 7", "StopPodSandbox"], _rig.Cri.Calls.TakeLast(3));
        Assert.Equal(143, _rig.Main.State!.Terminated!.ExitCode);
        await _rig.Syncer.SyncTerminatedPodAsync(pod, removed: true, TestContext.Current.CancellationToken);

        Assert.Empty(await _rig.Cri.ListPodSandboxAsync(null, TestContext.Current.CancellationToken));
        Assert.False(Directory.Exists(_rig.Paths.PodLog(pod)));
    }

    [Fact]
    public async Task Sidecars_stop_last_and_in_reverse_order()
    {
        var pod = Pods.Make("main");
        pod.Spec!.InitContainers = [Pods.Sidecar("s1"), Pods.Sidecar("s2")];
        for (var i = 0; i < 3; i++)
        {
            await _rig.SyncAsync(pod);
        }

        await _rig.TerminateAsync(pod);

        Assert.Equal(["main", "s2", "s1"], _rig.Cri.Calls.Where(c => c.StartsWith("StopContainer", StringComparison.Ordinal)).Select(c => c.Split(' ')[1]));
    }

    [Fact]
    public async Task A_pod_past_its_deadline_fails()
    {
        var pod = Pods.Make("main");
        pod.Spec!.ActiveDeadlineSeconds = 60;
        var outcome = await _rig.SyncAsync(pod);
        Assert.Equal(TimeSpan.FromSeconds(60), outcome.RetryAfter);
        _rig.Time.Advance(TimeSpan.FromSeconds(61));

        Assert.True((await _rig.SyncAsync(pod)).IsTerminal);
        Assert.Equal(PodPhase.Running, _rig.Status.Phase);
        await _rig.TerminateAsync(pod);

        Assert.Equal((PodPhase.Failed, "DeadlineExceeded"), (_rig.Status.Phase, _rig.Status.Reason));
    }

    [Fact]
    public async Task A_finished_job_with_a_sidecar_ends()
    {
        var pod = Pods.Make("main");
        pod.Spec!.RestartPolicy = "Never";
        pod.Spec.InitContainers = [Pods.Sidecar("proxy")];
        await _rig.SyncAsync(pod);
        await _rig.SyncAsync(pod);
        _rig.Cri.Exit("main", 0);

        Assert.True((await _rig.SyncAsync(pod)).IsTerminal);
        await _rig.TerminateAsync(pod);

        Assert.Equal(PodPhase.Succeeded, _rig.Status.Phase);
    }

    [Fact]
    public async Task A_failed_post_start_hook_kills_the_container()
    {
        _rig.Cri.OnExec = (_, _) => new Cri.V1.ExecSyncResponse { ExitCode = 1 };
        var pod = Pods.Make("main");
        pod.Spec!.Containers![0].Lifecycle = new Lifecycle { PostStart = new LifecycleHandler { Exec = new ExecAction { Command = ["hello"] } } };

        await _rig.SyncAsync(pod);

        Assert.Contains("FailedPostStartHook", _rig.Events);
        Assert.Contains(_rig.Cri.Calls, c => c.StartsWith("StopContainer main", StringComparison.Ordinal));
    }
}
