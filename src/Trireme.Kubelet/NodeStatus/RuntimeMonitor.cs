using Microsoft.Extensions.Logging;
using Trireme.Kubelet.Cri;

namespace Trireme.Kubelet.NodeStatus;

/// <summary>Asks the runtime how it is: often until it is ready, then every few seconds.</summary>
public sealed class RuntimeMonitor(ICri cri, TimeProvider time, ILogger<RuntimeMonitor> logger)
{
    private static readonly TimeSpan _readyPeriod = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _unreadyPeriod = TimeSpan.FromMilliseconds(500);

    private volatile string? _runtimeProblem = "container runtime status check may not have completed yet";
    private volatile string? _networkProblem = "container runtime status check may not have completed yet";

    /// <summary>Called when readiness changed.</summary>
    public Action? Changed { get; set; }

    /// <summary>Name and version, <c>containerd://1.6.20</c>; empty until known.</summary>
    public string Version { get; private set; } = "";

    /// <summary>Why no container can run; null when they can.</summary>
    public string? RuntimeProblem => _runtimeProblem;

    /// <summary>Why pods get no network; null when they do.</summary>
    public string? NetworkProblem => _networkProblem;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var before = (_runtimeProblem, _networkProblem);
            try
            {
                await CheckAsync(cancellationToken);
            }
            catch (CriException e)
            {
                _runtimeProblem = $"container runtime is down: {e.Message}";
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            if (before != (_runtimeProblem, _networkProblem))
            {
                logger.LogInformation("Container runtime: {Runtime}; network: {Network}", _runtimeProblem ?? "ready", _networkProblem ?? "ready");
                Changed?.Invoke();
            }

            var ready = _runtimeProblem is null && _networkProblem is null;
            await Task.Delay(ready ? _readyPeriod : _unreadyPeriod, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        if (Version.Length == 0)
        {
            var version = await cri.VersionAsync(cancellationToken);
            Version = $"{version.RuntimeName}://{version.RuntimeVersion.TrimStart('v')}";
        }

        var status = await cri.StatusAsync(cancellationToken);
        _runtimeProblem = Problem(status, "RuntimeReady");
        _networkProblem = Problem(status, "NetworkReady");
    }

    private static string? Problem(Cri.V1.RuntimeStatus status, string type) =>
        status.Conditions.FirstOrDefault(c => c.Type == type) is { } condition
            ? condition.Status ? null : $"{type}=false reason:{condition.Reason} message:{condition.Message}"
            : $"{type} is not reported";
}
