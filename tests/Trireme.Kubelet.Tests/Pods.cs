using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Probes;

namespace Trireme.Kubelet.Tests;

/// <summary>Pods and runtime states for tests of pure parts.</summary>
internal static class Pods
{
    public static readonly DateTimeOffset Noon = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    public static Pod Make(params string[] containers) => new()
    {
        Metadata = new ObjectMeta { Name = "web", Namespace = "default", Uid = "uid-1" },
        Spec = new PodSpec { NodeName = "node-1", Containers = [.. containers.Select(Container)] },
    };

    public static Container Container(string name) => new() { Name = name, Image = "example.org/app:1" };

    public static Container Sidecar(string name) => new() { Name = name, Image = "example.org/app:1", RestartPolicy = "Always" };

    public static PodRuntimeStatus Runtime(params RuntimeContainer[] containers) => new("uid-1", [Sandbox("s1", 0, true)], [.. containers.OrderByDescending(c => c.Status.CreatedAt)]);

    public static Cri.V1.PodSandboxStatus Sandbox(string id, uint attempt, bool ready) => new()
    {
        Id = id,
        Metadata = new Cri.V1.PodSandboxMetadata { Name = "web", Namespace = "default", Uid = "uid-1", Attempt = attempt },
        State = ready ? Cri.V1.PodSandboxState.SandboxReady : Cri.V1.PodSandboxState.SandboxNotready,
        CreatedAt = CriTime.ToNanoseconds(Noon) + attempt,
        Network = new Cri.V1.PodSandboxNetworkStatus { Ip = "10.0.0.7" },
    };

    public static RuntimeContainer Running(Container spec, int attempt = 0, string sandbox = "s1") => Made(spec, attempt, sandbox, Cri.V1.ContainerState.ContainerRunning, 0);

    public static RuntimeContainer Exited(Container spec, int code, int attempt = 0, string sandbox = "s1") => Made(spec, attempt, sandbox, Cri.V1.ContainerState.ContainerExited, code);

    private static RuntimeContainer Made(Container spec, int attempt, string sandbox, Cri.V1.ContainerState state, int code) => new(sandbox, new Cri.V1.ContainerStatus
    {
        Id = $"{spec.Name}-{attempt}",
        Metadata = new Cri.V1.ContainerMetadata { Name = spec.Name, Attempt = (uint)attempt },
        State = state,
        ExitCode = code,
        CreatedAt = CriTime.ToNanoseconds(Noon) + attempt + 1,
        StartedAt = CriTime.ToNanoseconds(Noon),
        FinishedAt = state == Cri.V1.ContainerState.ContainerExited ? CriTime.ToNanoseconds(Noon.AddSeconds(1)) : 0,
        Image = new Cri.V1.ImageSpec { Image = spec.Image },
        ImageRef = "sha256:1",
        Annotations = { [RuntimeLabels.ContainerHash] = ContainerHash.Of(spec) },
    });
}

/// <summary>Probe results that a test sets.</summary>
internal sealed class FixedProbes : IProbeResults
{
    private readonly Dictionary<(ProbeType, string), ProbeResult> _results = [];

    public ProbeResult this[ProbeType type, string containerId]
    {
        set => _results[(type, containerId)] = value;
    }

    public ProbeResult Get(ProbeType type, string containerId) => _results.GetValueOrDefault((type, containerId));

    public bool HasStarted(Container container, RuntimeContainer running) =>
        container.StartupProbe is null || Get(ProbeType.Startup, running.Id) == ProbeResult.Success;

    public bool IsReady(Container container, RuntimeContainer running) =>
        HasStarted(container, running) && (container.ReadinessProbe is null || Get(ProbeType.Readiness, running.Id) == ProbeResult.Success);
}
