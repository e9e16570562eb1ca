using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Cri;

/// <summary>The container runtime of this machine: what the kubelet asks of CRI's RuntimeService and ImageService.</summary>
/// <remarks>
/// Calls may come from many pods at once. A runtime that is down or restarting answers with <see cref="CriException"/> whose
/// <see cref="CriException.IsUnavailable"/> holds; the next call after its return succeeds, nothing has to be reopened. Stop and Remove are
/// idempotent: something that is already gone is not an error.
/// </remarks>
public interface ICri
{
    /// <summary>Name and version of the runtime.</summary>
    Task<VersionResponse> VersionAsync(CancellationToken cancellationToken);

    /// <summary>The conditions <c>RuntimeReady</c> and <c>NetworkReady</c>.</summary>
    Task<RuntimeStatus> StatusAsync(CancellationToken cancellationToken);

    /// <summary>Creates and starts a sandbox, its network included, and returns its id.</summary>
    Task<string> RunPodSandboxAsync(PodSandboxConfig config, string runtimeHandler, CancellationToken cancellationToken);

    /// <summary>Kills what runs in the sandbox and gives its network back.</summary>
    Task StopPodSandboxAsync(string sandboxId, CancellationToken cancellationToken);

    Task RemovePodSandboxAsync(string sandboxId, CancellationToken cancellationToken);

    /// <summary>The sandbox, or null when the runtime does not know it.</summary>
    Task<PodSandboxStatus?> PodSandboxStatusAsync(string sandboxId, CancellationToken cancellationToken);

    Task<IReadOnlyList<PodSandbox>> ListPodSandboxAsync(PodSandboxFilter? filter, CancellationToken cancellationToken);

    /// <summary>Creates a container in a sandbox and returns its id; it does not run yet.</summary>
    Task<string> CreateContainerAsync(string sandboxId, ContainerConfig config, PodSandboxConfig sandboxConfig, CancellationToken cancellationToken);

    Task StartContainerAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Sends the stop signal, waits for <paramref name="timeout"/>, then kills. Returns when the container has stopped.</summary>
    Task StopContainerAsync(string containerId, TimeSpan timeout, CancellationToken cancellationToken);

    Task RemoveContainerAsync(string containerId, CancellationToken cancellationToken);

    Task<IReadOnlyList<Container>> ListContainersAsync(ContainerFilter? filter, CancellationToken cancellationToken);

    /// <summary>The container, or null when the runtime does not know it.</summary>
    Task<ContainerStatus?> ContainerStatusAsync(string containerId, CancellationToken cancellationToken);

    Task UpdateContainerResourcesAsync(string containerId, LinuxContainerResources resources, CancellationToken cancellationToken);

    /// <summary>Makes the runtime open the log path anew after the file there was moved away.</summary>
    Task ReopenContainerLogAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Runs a command in a container and waits for its end.</summary>
    /// <exception cref="CriException">With <c>IsDeadlineExceeded</c> when it ran longer than <paramref name="timeout"/>.</exception>
    Task<ExecSyncResponse> ExecSyncAsync(string containerId, IEnumerable<string> command, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>URL, good for one use, of the runtime's streaming server for this exec.</summary>
    Task<string> ExecAsync(ExecRequest request, CancellationToken cancellationToken);

    /// <summary>URL, good for one use, of the runtime's streaming server for this attach.</summary>
    Task<string> AttachAsync(AttachRequest request, CancellationToken cancellationToken);

    /// <summary>URL, good for one use, of the runtime's streaming server for forwarding ports of a sandbox.</summary>
    Task<string> PortForwardAsync(PortForwardRequest request, CancellationToken cancellationToken);

    /// <summary>Processor, memory and disk use of the running containers.</summary>
    Task<IReadOnlyList<ContainerStats>> ListContainerStatsAsync(CancellationToken cancellationToken);

    /// <summary>Events of containers as they happen; ends or throws when the runtime goes away.</summary>
    /// <exception cref="CriException">With <c>IsUnimplemented</c> from runtimes that have no events (containerd 1.6).</exception>
    IAsyncEnumerable<ContainerEventResponse> GetContainerEventsAsync(CancellationToken cancellationToken);

    Task<IReadOnlyList<Image>> ListImagesAsync(CancellationToken cancellationToken);

    /// <summary>The image by reference or id, or null when it is not on this machine.</summary>
    Task<Image?> ImageStatusAsync(string image, CancellationToken cancellationToken);

    /// <summary>Pulls an image and returns its id. There is no deadline of its own: a large image takes its time.</summary>
    Task<string> PullImageAsync(string image, AuthConfig? auth, PodSandboxConfig? sandboxConfig, CancellationToken cancellationToken);

    Task RemoveImageAsync(string image, CancellationToken cancellationToken);

    /// <summary>Where the runtime keeps images, and how much they take.</summary>
    Task<IReadOnlyList<FilesystemUsage>> ImageFsInfoAsync(CancellationToken cancellationToken);
}
