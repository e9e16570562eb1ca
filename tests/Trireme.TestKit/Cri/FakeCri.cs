using System.Globalization;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.TestKit.Cri;

/// <summary>A container runtime in memory: sandboxes and containers with the states, times and errors that containerd 1.6 shows.</summary>
/// <remarks>Containers run until a test ends them with <see cref="Exit"/>, or their pod is stopped. Thread-safe.</remarks>
public sealed partial class FakeCri(TimeProvider time) : ICri
{
    // Guards everything.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, PodSandboxStatus> _sandboxes = [];
    private readonly Dictionary<string, (string Sandbox, ContainerStatus Status, ContainerConfig Config)> _containers = [];
    private readonly List<string> _calls = [];
    private int _next;
    private long _clock;

    /// <summary>Names of the calls that change something, in order: <c>RunPodSandbox ns/name</c>, <c>StartContainer name</c> …</summary>
    public IReadOnlyList<string> Calls
    {
        get
        {
            lock (_lock)
            {
                return [.. _calls];
            }
        }
    }

    /// <summary>Called before each changing call; an exception that it returns is thrown.</summary>
    public Func<string, Exception?>? Intercept { get; set; }

    /// <summary>While true the runtime does not answer: what changes something fails, and so do questions about its health.</summary>
    public bool IsDown { get; set; }

    /// <summary>Answers ExecSync; the default succeeds without output.</summary>
    public Func<string, IReadOnlyList<string>, ExecSyncResponse>? OnExec { get; set; }

    /// <summary>Configurations with which the containers of a name were created, oldest first.</summary>
    public IReadOnlyList<ContainerConfig> Configs(string container)
    {
        lock (_lock)
        {
            return [.. _containers.Values.Where(c => c.Config.Metadata.Name == container).OrderBy(c => c.Status.CreatedAt).Select(c => c.Config)];
        }
    }

    /// <summary>The newest container of a name, null when there is none.</summary>
    public ContainerStatus? Newest(string container)
    {
        lock (_lock)
        {
            return _containers.Values.Where(c => c.Status.Metadata.Name == container).MaxBy(c => c.Status.CreatedAt).Status?.Clone();
        }
    }

    /// <summary>Ends the newest container of a name as if its process had exited.</summary>
    public void Exit(string container, int code, string reason = "")
    {
        lock (_lock)
        {
            var status = _containers.Values.Where(c => c.Status.Metadata.Name == container).MaxBy(c => c.Status.CreatedAt).Status;
            EndLocked(status, code, reason);
        }
    }

    /// <summary>As after the machine lost power: every sandbox is not ready, every container ended with 255.</summary>
    public void LosePower()
    {
        lock (_lock)
        {
            foreach (var sandbox in _sandboxes.Values)
            {
                sandbox.State = PodSandboxState.SandboxNotready;
            }

            foreach (var (_, status, _) in _containers.Values.Where(c => c.Status.State == ContainerState.ContainerRunning))
            {
                EndLocked(status, 255, "Unknown");
            }
        }
    }

    public Task<VersionResponse> VersionAsync(CancellationToken cancellationToken)
    {
        ThrowIfDown();
        return Task.FromResult(new VersionResponse { RuntimeName = "fake", RuntimeVersion = "1.0.0", RuntimeApiVersion = "v1", Version = "0.1.0" });
    }

    public Task<RuntimeStatus> StatusAsync(CancellationToken cancellationToken)
    {
        ThrowIfDown();
        return Task.FromResult(new RuntimeStatus
        {
            Conditions = { new RuntimeCondition { Type = "RuntimeReady", Status = true }, new RuntimeCondition { Type = "NetworkReady", Status = true } },
        });
    }

    public Task<string> RunPodSandboxAsync(PodSandboxConfig config, string runtimeHandler, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            CallLocked($"RunPodSandbox {config.Metadata.Namespace}/{config.Metadata.Name}");
            var id = NewIdLocked("sandbox");
            var status = new PodSandboxStatus
            {
                Id = id,
                Metadata = config.Metadata.Clone(),
                State = PodSandboxState.SandboxReady,
                CreatedAt = NowLocked(),
                Network = new PodSandboxNetworkStatus { Ip = "10.0.0." + _next.ToString(CultureInfo.InvariantCulture) },
                Linux = new LinuxPodSandboxStatus { Namespaces = new Namespace { Options = config.Linux.SecurityContext.NamespaceOptions } },
            };
            status.Labels.Add(config.Labels);
            status.Annotations.Add(config.Annotations);
            _sandboxes[id] = status;
            return Task.FromResult(id);
        }
    }

    public Task StopPodSandboxAsync(string sandboxId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            CallLocked("StopPodSandbox");
            if (_sandboxes.TryGetValue(sandboxId, out var sandbox))
            {
                sandbox.State = PodSandboxState.SandboxNotready;
                foreach (var container in _containers.Values.Where(c => c.Sandbox == sandboxId && c.Status.State == ContainerState.ContainerRunning))
                {
                    EndLocked(container.Status, 137, "Error");
                }
            }
        }

        return Task.CompletedTask;
    }

    public Task RemovePodSandboxAsync(string sandboxId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            CallLocked("RemovePodSandbox");
            _sandboxes.Remove(sandboxId);
            foreach (var id in _containers.Where(c => c.Value.Sandbox == sandboxId).Select(c => c.Key).ToList())
            {
                _containers.Remove(id);
            }
        }

        return Task.CompletedTask;
    }

    public Task<PodSandboxStatus?> PodSandboxStatusAsync(string sandboxId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_sandboxes.GetValueOrDefault(sandboxId)?.Clone());
        }
    }

    public Task<IReadOnlyList<PodSandbox>> ListPodSandboxAsync(PodSandboxFilter? filter, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<PodSandbox>>([.. _sandboxes.Values.Where(s => Matches(s.Labels, filter?.LabelSelector)).Select(s =>
            {
                var item = new PodSandbox { Id = s.Id, Metadata = s.Metadata.Clone(), State = s.State, CreatedAt = s.CreatedAt };
                item.Labels.Add(s.Labels);
                return item;
            })]);
        }
    }

    public Task<string> CreateContainerAsync(string sandboxId, ContainerConfig config, PodSandboxConfig sandboxConfig, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            CallLocked($"CreateContainer {config.Metadata.Name}");
            if (_sandboxes.GetValueOrDefault(sandboxId)?.State != PodSandboxState.SandboxReady)
            {
                throw new CriException(StatusCode.Unknown, "sandbox container is not running");
            }

            var id = NewIdLocked("container");
            var status = new ContainerStatus
            {
                Id = id,
                Metadata = config.Metadata.Clone(),
                State = ContainerState.ContainerCreated,
                CreatedAt = NowLocked(),
                Image = config.Image.Clone(),
                ImageRef = config.Image.Image,
                LogPath = Path.Combine(sandboxConfig.LogDirectory, config.LogPath),
            };
            status.Labels.Add(config.Labels);
            status.Annotations.Add(config.Annotations);
            status.Mounts.AddRange(config.Mounts.Select(m => m.Clone()));
            _containers[id] = (sandboxId, status, config.Clone());
            return Task.FromResult(id);
        }
    }

    public Task StartContainerAsync(string containerId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var status = FindLocked(containerId);
            CallLocked($"StartContainer {status.Metadata.Name}");
            status.State = ContainerState.ContainerRunning;
            status.StartedAt = NowLocked();
        }

        return Task.CompletedTask;
    }

    public Task StopContainerAsync(string containerId, TimeSpan timeout, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_containers.TryGetValue(containerId, out var container))
            {
                CallLocked($"StopContainer {container.Status.Metadata.Name} {timeout.TotalSeconds:0}");
                if (container.Status.State == ContainerState.ContainerRunning)
                {
                    EndLocked(container.Status, timeout > TimeSpan.Zero ? 143 : 137, "Error");
                }
            }
        }

        return Task.CompletedTask;
    }

    public Task RemoveContainerAsync(string containerId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _containers.Remove(containerId);
        }

        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<Container>> ListContainersAsync(ContainerFilter? filter, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<Container>>([.. _containers.Values
                .Where(c => Matches(c.Status.Labels, filter?.LabelSelector) && (filter?.State is null || filter.State.State == c.Status.State))
                .Select(c =>
                {
                    var item = new Container
                    {
                        Id = c.Status.Id,
                        PodSandboxId = c.Sandbox,
                        Metadata = c.Status.Metadata.Clone(),
                        State = c.Status.State,
                        CreatedAt = c.Status.CreatedAt,
                        Image = c.Status.Image.Clone(),
                        ImageRef = c.Status.ImageRef,
                    };
                    item.Labels.Add(c.Status.Labels);
                    return item;
                })]);
        }
    }

    public Task<ContainerStatus?> ContainerStatusAsync(string containerId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_containers.TryGetValue(containerId, out var container) ? container.Status.Clone() : null);
        }
    }

    public Task UpdateContainerResourcesAsync(string containerId, LinuxContainerResources resources, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task ReopenContainerLogAsync(string containerId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var status = FindLocked(containerId);
            CallLocked($"ReopenContainerLog {status.Metadata.Name}");
            File.WriteAllText(status.LogPath, "");
        }

        return Task.CompletedTask;
    }

    public Task<ExecSyncResponse> ExecSyncAsync(string containerId, IEnumerable<string> command, TimeSpan timeout, CancellationToken cancellationToken)
    {
        string name;
        var words = command.ToList();
        lock (_lock)
        {
            name = FindLocked(containerId).Metadata.Name;
            CallLocked($"ExecSync {name} {string.Join(' ', words)}");
        }

        return Task.FromResult(OnExec?.Invoke(name, words) ?? new ExecSyncResponse { Stdout = ByteString.Empty });
    }

    public Task<string> ExecAsync(ExecRequest request, CancellationToken cancellationToken) => Task.FromResult("http://127.0.0.1:1/exec/token");

    public Task<string> AttachAsync(AttachRequest request, CancellationToken cancellationToken) => Task.FromResult("http://127.0.0.1:1/attach/token");

    public Task<string> PortForwardAsync(PortForwardRequest request, CancellationToken cancellationToken) => Task.FromResult("http://127.0.0.1:1/portforward/token");

    public Task<IReadOnlyList<ContainerStats>> ListContainerStatsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ContainerStats>>([]);

    public async IAsyncEnumerable<ContainerEventResponse> GetContainerEventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        throw new CriException(StatusCode.Unimplemented, "unknown method GetContainerEvents");
#pragma warning disable CS0162 // an iterator needs a yield
        yield break;
#pragma warning restore CS0162
    }

    private static bool Matches(IDictionary<string, string> labels, IDictionary<string, string>? selector) =>
        selector is null || selector.All(s => labels.TryGetValue(s.Key, out var value) && value == s.Value);

    private void ThrowIfDown()
    {
        if (IsDown)
        {
            throw new CriException(StatusCode.Unavailable, "connection refused");
        }
    }

    private void CallLocked(string call)
    {
        ThrowIfDown();
        if (Intercept?.Invoke(call) is { } refusal)
        {
            throw refusal;
        }

        _calls.Add(call);
    }

    private ContainerStatus FindLocked(string id) =>
        _containers.TryGetValue(id, out var container) ? container.Status : throw new CriException(StatusCode.NotFound, $"container \"{id}\": not found");

    private void EndLocked(ContainerStatus status, int code, string reason)
    {
        status.State = ContainerState.ContainerExited;
        status.ExitCode = code;
        status.Reason = reason.Length > 0 ? reason : code == 0 ? "Completed" : "Error";
        status.FinishedAt = NowLocked();
    }

    private string NewIdLocked(string kind) => $"{kind}-{++_next}";

    /// <summary>Time of the clock, but never the same twice: the order of what was made is told by it.</summary>
    private long NowLocked() => _clock = Math.Max(_clock + 1, CriTime.ToNanoseconds(time.GetUtcNow()));
}
