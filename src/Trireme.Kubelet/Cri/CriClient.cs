using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Client;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Cri;

/// <summary><see cref="ICri"/> over the runtime's unix socket.</summary>
/// <remarks>
/// One HTTP/2 connection for all calls. It is made anew by the next call after the runtime was restarted: reconnecting is left to
/// <see cref="SocketsHttpHandler"/>, without gRPC's own growing back-off, since a connect to a local socket costs nothing.
/// </remarks>
public sealed class CriClient : ICri, IDisposable
{
    /// <summary>Deadline of calls that only ask.</summary>
    private static readonly TimeSpan _query = TimeSpan.FromSeconds(30);

    /// <summary>Deadline of calls that start and stop things; CNI plugins and slow disks live inside it. Upstream's runtimeRequestTimeout.</summary>
    private static readonly TimeSpan _action = TimeSpan.FromMinutes(2);

    private readonly GrpcChannel _channel;
    private readonly RuntimeService.RuntimeServiceClient _runtime;
    private readonly ImageService.ImageServiceClient _images;
    private readonly TimeProvider _time;

    /// <param name="endpoint">Path of the socket, with or without <c>unix://</c>.</param>
    /// <param name="time">Clock of the deadlines.</param>
    public CriClient(string endpoint, TimeProvider time)
    {
        var path = endpoint.StartsWith("unix://", StringComparison.Ordinal) ? endpoint["unix://".Length..] : endpoint;
        _time = time;
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            EnableMultipleHttp2Connections = true,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        _channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = 16 * 1024 * 1024,
        });
        _runtime = new RuntimeService.RuntimeServiceClient(_channel);
        _images = new ImageService.ImageServiceClient(_channel);
    }

    public void Dispose() => _channel.Dispose();

    public Task<VersionResponse> VersionAsync(CancellationToken cancellationToken) =>
        CallAsync(o => _runtime.VersionAsync(new VersionRequest { Version = "v1" }, o), _query, cancellationToken);

    public async Task<RuntimeStatus> StatusAsync(CancellationToken cancellationToken) =>
        (await CallAsync(o => _runtime.StatusAsync(new StatusRequest(), o), _query, cancellationToken)).Status ?? new RuntimeStatus();

    public async Task<string> RunPodSandboxAsync(PodSandboxConfig config, string runtimeHandler, CancellationToken cancellationToken) =>
        (await CallAsync(
            o => _runtime.RunPodSandboxAsync(new RunPodSandboxRequest { Config = config, RuntimeHandler = runtimeHandler }, o),
            _action * 2,
            cancellationToken)).PodSandboxId;

    public Task StopPodSandboxAsync(string sandboxId, CancellationToken cancellationToken) =>
        IgnoreMissingAsync(CallAsync(
            o => _runtime.StopPodSandboxAsync(new StopPodSandboxRequest { PodSandboxId = sandboxId }, o), _action, cancellationToken));

    public Task RemovePodSandboxAsync(string sandboxId, CancellationToken cancellationToken) =>
        IgnoreMissingAsync(CallAsync(
            o => _runtime.RemovePodSandboxAsync(new RemovePodSandboxRequest { PodSandboxId = sandboxId }, o), _action, cancellationToken));

    public async Task<PodSandboxStatus?> PodSandboxStatusAsync(string sandboxId, CancellationToken cancellationToken) =>
        (await FindAsync(CallAsync(
            o => _runtime.PodSandboxStatusAsync(new PodSandboxStatusRequest { PodSandboxId = sandboxId }, o), _query, cancellationToken)))?.Status;

    public async Task<IReadOnlyList<PodSandbox>> ListPodSandboxAsync(PodSandboxFilter? filter, CancellationToken cancellationToken) =>
        (await CallAsync(
            o => _runtime.ListPodSandboxAsync(new ListPodSandboxRequest { Filter = filter }, o), _query, cancellationToken)).Items;

    public async Task<string> CreateContainerAsync(
        string sandboxId, ContainerConfig config, PodSandboxConfig sandboxConfig, CancellationToken cancellationToken) =>
        (await CallAsync(
            o => _runtime.CreateContainerAsync(
                new CreateContainerRequest { PodSandboxId = sandboxId, Config = config, SandboxConfig = sandboxConfig }, o),
            _action,
            cancellationToken)).ContainerId;

    public Task StartContainerAsync(string containerId, CancellationToken cancellationToken) =>
        CallAsync(o => _runtime.StartContainerAsync(new StartContainerRequest { ContainerId = containerId }, o), _action, cancellationToken);

    public Task StopContainerAsync(string containerId, TimeSpan timeout, CancellationToken cancellationToken) =>
        IgnoreMissingAsync(CallAsync(
            o => _runtime.StopContainerAsync(
                new StopContainerRequest { ContainerId = containerId, Timeout = (long)timeout.TotalSeconds }, o),
            timeout + _action,
            cancellationToken));

    public Task RemoveContainerAsync(string containerId, CancellationToken cancellationToken) =>
        IgnoreMissingAsync(CallAsync(
            o => _runtime.RemoveContainerAsync(new RemoveContainerRequest { ContainerId = containerId }, o), _action, cancellationToken));

    public async Task<IReadOnlyList<Container>> ListContainersAsync(ContainerFilter? filter, CancellationToken cancellationToken) =>
        (await CallAsync(
            o => _runtime.ListContainersAsync(new ListContainersRequest { Filter = filter }, o), _query, cancellationToken)).Containers;

    public async Task<ContainerStatus?> ContainerStatusAsync(string containerId, CancellationToken cancellationToken) =>
        (await FindAsync(CallAsync(
            o => _runtime.ContainerStatusAsync(new ContainerStatusRequest { ContainerId = containerId }, o), _query, cancellationToken)))?.Status;

    public Task UpdateContainerResourcesAsync(string containerId, LinuxContainerResources resources, CancellationToken cancellationToken) =>
        CallAsync(
            o => _runtime.UpdateContainerResourcesAsync(
                new UpdateContainerResourcesRequest { ContainerId = containerId, Linux = resources }, o),
            _action,
            cancellationToken);

    public Task ReopenContainerLogAsync(string containerId, CancellationToken cancellationToken) =>
        CallAsync(
            o => _runtime.ReopenContainerLogAsync(new ReopenContainerLogRequest { ContainerId = containerId }, o), _query, cancellationToken);

    public Task<ExecSyncResponse> ExecSyncAsync(
        string containerId, IEnumerable<string> command, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var request = new ExecSyncRequest { ContainerId = containerId, Timeout = (long)Math.Ceiling(timeout.TotalSeconds) };
        request.Cmd.AddRange(command);
        return CallAsync(o => _runtime.ExecSyncAsync(request, o), timeout > TimeSpan.Zero ? timeout + _query : null, cancellationToken);
    }

    public async Task<string> ExecAsync(ExecRequest request, CancellationToken cancellationToken) =>
        (await CallAsync(o => _runtime.ExecAsync(request, o), _query, cancellationToken)).Url;

    public async Task<string> AttachAsync(AttachRequest request, CancellationToken cancellationToken) =>
        (await CallAsync(o => _runtime.AttachAsync(request, o), _query, cancellationToken)).Url;

    public async Task<string> PortForwardAsync(PortForwardRequest request, CancellationToken cancellationToken) =>
        (await CallAsync(o => _runtime.PortForwardAsync(request, o), _query, cancellationToken)).Url;

    public async Task<IReadOnlyList<ContainerStats>> ListContainerStatsAsync(CancellationToken cancellationToken) =>
        (await CallAsync(o => _runtime.ListContainerStatsAsync(new ListContainerStatsRequest(), o), _query, cancellationToken)).Stats;

    public async IAsyncEnumerable<ContainerEventResponse> GetContainerEventsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var call = _runtime.GetContainerEvents(new GetEventsRequest(), cancellationToken: cancellationToken);
        while (true)
        {
            ContainerEventResponse next;
            try
            {
                if (!await call.ResponseStream.MoveNext(cancellationToken))
                {
                    yield break;
                }

                next = call.ResponseStream.Current;
            }
            catch (RpcException e)
            {
                throw Translate(e, cancellationToken);
            }

            yield return next;
        }
    }

    public async Task<IReadOnlyList<Image>> ListImagesAsync(CancellationToken cancellationToken) =>
        (await CallAsync(o => _images.ListImagesAsync(new ListImagesRequest(), o), _query, cancellationToken)).Images;

    public async Task<Image?> ImageStatusAsync(string image, CancellationToken cancellationToken) =>
        (await CallAsync(
            o => _images.ImageStatusAsync(new ImageStatusRequest { Image = new ImageSpec { Image = image } }, o),
            _query,
            cancellationToken)).Image;

    public async Task<string> PullImageAsync(
        string image, AuthConfig? auth, PodSandboxConfig? sandboxConfig, CancellationToken cancellationToken) =>
        (await CallAsync(
            o => _images.PullImageAsync(
                new PullImageRequest { Image = new ImageSpec { Image = image }, Auth = auth, SandboxConfig = sandboxConfig }, o),
            null,
            cancellationToken)).ImageRef;

    public Task RemoveImageAsync(string image, CancellationToken cancellationToken) =>
        IgnoreMissingAsync(CallAsync(
            o => _images.RemoveImageAsync(new RemoveImageRequest { Image = new ImageSpec { Image = image } }, o), _action, cancellationToken));

    public async Task<IReadOnlyList<FilesystemUsage>> ImageFsInfoAsync(CancellationToken cancellationToken) =>
        (await CallAsync(o => _images.ImageFsInfoAsync(new ImageFsInfoRequest(), o), _query, cancellationToken)).ImageFilesystems;

    private static async Task IgnoreMissingAsync(Task call)
    {
        try
        {
            await call;
        }
        catch (CriException e) when (e.IsNotFound)
        {
        }
    }

    private static async Task<T?> FindAsync<T>(Task<T> call)
        where T : class
    {
        try
        {
            return await call;
        }
        catch (CriException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>The caller's own stop stays a cancellation; everything else becomes the runtime's answer.</summary>
    private static Exception Translate(RpcException e, CancellationToken cancellationToken) =>
        e.StatusCode == StatusCode.Cancelled && cancellationToken.IsCancellationRequested
            ? new OperationCanceledException(e.Status.Detail, e, cancellationToken)
            : new CriException(e.StatusCode, e.Status.Detail, e);

    private async Task<T> CallAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var options = new CallOptions(
            deadline: timeout is { } limit ? (_time.GetUtcNow() + limit).UtcDateTime : null, cancellationToken: cancellationToken);
        try
        {
            using var answer = call(options);
            return await answer.ResponseAsync.ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            throw Translate(e, cancellationToken);
        }
    }
}
