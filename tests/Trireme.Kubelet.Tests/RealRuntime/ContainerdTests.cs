using System.Diagnostics;
using System.Net;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Kubelet.Cri;
using Trireme.TestKit;
using Trireme.TestKit.Containerd;

namespace Trireme.Kubelet.Tests.RealRuntime;

/// <summary>The kubelet with a real containerd, runc and kernel.</summary>
public sealed class ContainerdTests : IAsyncLifetime
{
    private ContainerdProcess? _containerd;
    private KubeletRig? _rig;

    private KubeletRig Rig => _rig!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(ContainerdProcess.Unavailable is not null, ContainerdProcess.Unavailable ?? "");
        _containerd = await ContainerdProcess.StartAsync();
        _rig = new KubeletRig(Path.Combine(_containerd.Directory, "node"), _containerd.Cgroup, _containerd.Socket);
        _rig.Start();
    }

    public async ValueTask DisposeAsync()
    {
        if (_rig is not null)
        {
            await _rig.DisposeAsync();
        }

        if (_containerd is not null)
        {
            await _containerd.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_pod_runs_says_something_restarts_and_is_gone_without_a_trace()
    {
        Rig.Api.Seed(new ConfigMap { Metadata = new ObjectMeta { Name = "settings", Namespace = "default" }, Data = new() { ["greeting"] = "hello from a config map" } });
        var pod = Rig.Run("talker", spec =>
        {
            spec.Volumes = [new Volume { Name = "settings", ConfigMap = new ConfigMapVolumeSource { Name = "settings" } }];
            spec.InitContainers = [Container("before", "echo prepared > /dev/termination-log")];
            spec.Containers = [Container("main", "cat /settings/greeting; echo; echo $KUBERNETES_SERVICE_HOST $WHO; while true; do sleep 1; done")];
            spec.Containers[0].VolumeMounts = [new VolumeMount { Name = "settings", MountPath = "/settings" }];
            spec.Containers[0].Env = [new EnvVar { Name = "WHO", ValueFrom = new EnvVarSource { FieldRef = new ObjectFieldSelector { FieldPath = "metadata.name" } } }];
            spec.Containers[0].Resources = new ResourceRequirements { Limits = new() { ["memory"] = "64Mi", ["cpu"] = "500m" } };
        });

        var ready = await Rig.UntilReadyAsync("talker");

        Assert.Equal(PodPhase.Running, ready.Status!.Phase);
        Assert.Equal("prepared\n", ready.Status.InitContainerStatuses![0].State!.Terminated!.Message);
        Assert.Equal("127.0.0.1", ready.Status.HostIP);

        var (code, text) = await Rig.GetAsync("/containerLogs/default/talker/main");
        Assert.Equal((HttpStatusCode.OK, "hello from a config map\n10.96.0.1 talker\n"), (code, text));
        Assert.Equal(HttpStatusCode.Unauthorized, (await Rig.GetAsync("/pods", withCertificate: false)).Code);

        KillProcessOf("talker", "main");
        var restarted = await Rig.UntilAsync("talker", p => Status(p).RestartCount == 1 && Status(p).Ready, "the container was restarted");
        Assert.Equal(137, Status(restarted).LastState!.Terminated!.ExitCode);
        Assert.Equal("hello from a config map\n10.96.0.1 talker\n", (await Rig.GetAsync("/containerLogs/default/talker/main?previous=true")).Body);

        await Rig.DeleteAsync("talker");
        await Rig.UntilGoneAsync("talker");
        using var cri = new CriClient(_containerd!.Socket, TimeProvider.System);
        Assert.Empty(await cri.ListPodSandboxAsync(null, CancellationToken.None));
        Assert.Empty(await cri.ListContainersAsync(null, CancellationToken.None));
        Assert.False(Directory.Exists(Path.Combine(Rig.Root, "pods", pod.Uid())));
        Assert.Empty(PodCgroups(pod.Uid()));
        await Eventually.HoldsAsync(() => !File.Exists(Path.Combine(Rig.Root, "checkpoints", "pods", pod.Uid() + ".json")), "the checkpoint is gone");
    }

    [Fact]
    public async Task A_failing_liveness_probe_restarts_the_container()
    {
        Rig.Run("sick", spec =>
        {
            spec.Containers = [Container("main", "touch /alive; trap 'exit 0' TERM; while true; do sleep 1; done")];
            spec.Containers[0].LivenessProbe = new Probe
            {
                Exec = new ExecAction { Command = ["test", "-e", "/alive"] }, PeriodSeconds = 1, FailureThreshold = 1, TimeoutSeconds = 5,
            };
            spec.TerminationGracePeriodSeconds = 1;
        });
        await Rig.UntilReadyAsync("sick");

        using var cri = new CriClient(_containerd!.Socket, TimeProvider.System);
        await cri.ExecSyncAsync(ContainerId("sick"), ["rm", "/alive"], TimeSpan.FromSeconds(10), CancellationToken.None);

        await Rig.UntilAsync("sick", p => Status(p).RestartCount >= 1 && Status(p).Ready, "the container was restarted");
        await Eventually.HoldsAsync(() => Rig.Api.PeekAll<Event>().Any(e => e.Reason == "Unhealthy"), "the event tells why");
    }

    [Fact]
    public async Task A_restarted_kubelet_finds_its_containers_and_keeps_them_running_without_the_api()
    {
        Rig.Run("steady", spec => spec.Containers = [Container("main", "while true; do sleep 1; done")]);
        await Rig.UntilReadyAsync("steady");
        var id = ContainerId("steady");

        await Rig.StopAsync();
        Rig.Api.Unreachable = true;
        Rig.Start();
        KillProcessOf("steady", "main");
        using var cri = new CriClient(_containerd!.Socket, TimeProvider.System);
        await Eventually.HoldsAsync(async () => (await cri.ListContainersAsync(null, CancellationToken.None)).Any(c =>
            c.Metadata.Attempt == 1 && c.State == Cri.V1.ContainerState.ContainerRunning), "it was restarted while the API was away");

        Rig.Api.Unreachable = false;
        var seen = await Rig.UntilAsync("steady", p => Status(p).RestartCount == 1 && Status(p).Ready, "the API hears of it");
        Assert.NotEqual(id, ContainerId("steady"));
        Assert.Contains(id, Status(seen).LastState!.Terminated!.ContainerID, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restart_of_the_kubelet_or_of_containerd_does_not_touch_a_container()
    {
        Rig.Run("untouched", spec => spec.Containers = [Container("main", "while true; do sleep 1; done")]);
        await Rig.UntilReadyAsync("untouched");
        var before = (ContainerId("untouched"), ProcessOf("untouched", "main"));

        await Rig.StopAsync();
        Rig.Start();
        _containerd!.Kill();
        await _containerd.StartProcessAsync();
        Rig.Run("second", spec => spec.Containers = [Container("main", "sleep 1000")]);
        await Rig.UntilReadyAsync("second");

        Assert.Equal(before, (ContainerId("untouched"), ProcessOf("untouched", "main")));
        Assert.Equal(0, Rig.Container("untouched")!.RestartCount);
    }

    [Fact]
    public async Task A_pod_that_ends_by_itself_shows_how()
    {
        Rig.Run("job", spec =>
        {
            spec.RestartPolicy = RestartPolicy.Never;
            spec.Containers = [Container("main", "echo done > /dev/termination-log; exit 3")];
        });

        var ended = await Rig.UntilAsync("job", p => p.Status?.Phase == PodPhase.Failed, "the pod failed");

        Assert.Equal((3, "Error", "done\n"), (Status(ended).State!.Terminated!.ExitCode, Status(ended).State!.Terminated!.Reason, Status(ended).State!.Terminated!.Message));
    }

    private static Container Container(string name, string script) => new()
    {
        Name = name,
        Image = ContainerdProcess.Image,
        ImagePullPolicy = PullPolicy.IfNotPresent,
        Command = ["sh", "-c", script],
    };

    private static ContainerStatus Status(Pod pod) => pod.Status?.ContainerStatuses?.FirstOrDefault() ?? new ContainerStatus { State = new ContainerState() };

    private string ContainerId(string pod) => Rig.Container(pod)!.ContainerID!["containerd://".Length..];

    private IEnumerable<string> PodCgroups(string uid) =>
        Directory.GetDirectories("/sys/fs/cgroup").Append("/sys/fs/cgroup").Select(h => Path.Combine(h, _containerd!.Cgroup))
            .Where(Directory.Exists).SelectMany(h => Directory.GetDirectories(h, "pod" + uid, SearchOption.AllDirectories));

    /// <summary>Process ids in the container's cgroup.</summary>
    private int ProcessOf(string pod, string container)
    {
        var uid = Rig.Pod(pod)!.Uid();
        var id = Rig.Container(pod, container)!.ContainerID!["containerd://".Length..];
        var cgroup = PodCgroups(uid).Select(c => Path.Combine(c, id, "cgroup.procs")).First(File.Exists);
        return int.Parse(File.ReadLines(cgroup).First(), System.Globalization.CultureInfo.InvariantCulture);
    }

    private void KillProcessOf(string pod, string container)
    {
        using var process = Process.GetProcessById(ProcessOf(pod, container));
        process.Kill();
    }
}
