using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>A container and the sandbox in which it was made.</summary>
public sealed record RuntimeContainer(string SandboxId, ContainerStatus Status)
{
    public string Id => Status.Id;

    public string Name => Status.Metadata?.Name ?? "";

    public bool IsRunning => Status.State == ContainerState.ContainerRunning;

    public bool HasExited => Status.State == ContainerState.ContainerExited;

    /// <summary>How often the container of this name had been restarted when this one was made.</summary>
    public int RestartCount => (int)(Status.Metadata?.Attempt ?? 0);

    public DateTimeOffset StartedAt => CriTime.FromNanoseconds(Status.StartedAt);

    public DateTimeOffset FinishedAt => CriTime.FromNanoseconds(Status.FinishedAt);

    /// <summary>Hash of the spec from which the container was made; empty when the label is missing.</summary>
    public string Hash => Status.Annotations.TryGetValue(RuntimeLabels.ContainerHash, out var hash) ? hash : "";
}

/// <summary>What the runtime says of one pod at one moment.</summary>
/// <param name="Uid">Uid of the pod.</param>
/// <param name="Sandboxes">Newest first.</param>
/// <param name="Containers">Newest first, those of earlier sandboxes included.</param>
public sealed record PodRuntimeStatus(
    string Uid, IReadOnlyList<PodSandboxStatus> Sandboxes, IReadOnlyList<RuntimeContainer> Containers)
{
    /// <summary>The sandbox in which the pod lives or lived last.</summary>
    public PodSandboxStatus? Sandbox => Sandboxes.Count > 0 ? Sandboxes[0] : null;

    public bool SandboxReady => Sandbox?.State == PodSandboxState.SandboxReady;

    public bool HasRunningContainers => Containers.Any(c => c.IsRunning);

    /// <summary>Addresses of the ready sandbox; none for a pod in the host's network.</summary>
    public IReadOnlyList<string> IPs
    {
        get
        {
            if (!SandboxReady || Sandbox!.Network is not { Ip.Length: > 0 } network)
            {
                return [];
            }

            return [network.Ip, .. network.AdditionalIps.Select(ip => ip.Ip)];
        }
    }

    public static PodRuntimeStatus Empty(string uid) => new(uid, [], []);

    /// <summary>The newest container of that name in any sandbox: restart counts and the last state go on from it.</summary>
    public RuntimeContainer? Latest(string name) => Containers.FirstOrDefault(c => c.Name == name);

    /// <summary>The newest container of that name in the current sandbox.</summary>
    public RuntimeContainer? Active(string name) =>
        Sandbox is { } sandbox ? Containers.FirstOrDefault(c => c.Name == name && c.SandboxId == sandbox.Id) : null;

    /// <summary>The newest exited container of that name other than <paramref name="than"/>.</summary>
    public RuntimeContainer? Previous(RuntimeContainer than) =>
        Containers.FirstOrDefault(c => c.Name == than.Name && c.Id != than.Id && c.HasExited && c.Status.CreatedAt <= than.Status.CreatedAt);

    /// <summary>Asks the runtime for everything that carries the pod's uid.</summary>
    public static async Task<PodRuntimeStatus> ReadAsync(ICri cri, string uid, CancellationToken cancellationToken)
    {
        var sandboxFilter = new PodSandboxFilter { LabelSelector = { [RuntimeLabels.PodUid] = uid } };
        var containerFilter = new ContainerFilter { LabelSelector = { [RuntimeLabels.PodUid] = uid } };
        var sandboxList = cri.ListPodSandboxAsync(sandboxFilter, cancellationToken);
        var containerList = cri.ListContainersAsync(containerFilter, cancellationToken);
        var sandboxes = await Task.WhenAll((await sandboxList).Select(s => cri.PodSandboxStatusAsync(s.Id, cancellationToken)));
        var containers = await Task.WhenAll((await containerList).Select(async c =>
            await cri.ContainerStatusAsync(c.Id, cancellationToken) is { } status ? new RuntimeContainer(c.PodSandboxId, status) : null));
        return new PodRuntimeStatus(
            uid,
            [.. sandboxes.OfType<PodSandboxStatus>().OrderByDescending(s => s.CreatedAt)],
            [.. containers.OfType<RuntimeContainer>().OrderByDescending(c => c.Status.CreatedAt)]);
    }
}
