using Microsoft.Extensions.Logging;
using Trireme.Kubelet.Cri;

namespace Trireme.Kubelet.NodeStatus;

/// <summary>Asks the runtime how it is: often until it is ready, then every few seconds.</summary>
/// <remarks>
/// A runtime that does not answer is down only after a while: it may just be restarted, and a node that is not ready loses its pods' endpoints. What
/// the runtime itself says counts at once.
/// </remarks>
public sealed class RuntimeMonitor(ICri cri, TimeProvider time, ILogger<RuntimeMonitor> logger)
{
    private static readonly TimeSpan _readyPeriod = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _unreadyPeriod = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a runtime may be silent; upstream's maxWaitForContainerRuntime.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

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
        long? answered = null;
        while (!cancellationToken.IsCancellationRequested)
        {
            var silent = false;
            var before = (_runtimeProblem, _networkProblem);
            try
            {
                await CheckAsync(cancellationToken);
                answered = time.GetTimestamp();
            }
            catch (CriException e)
            {
                silent = true;
                if (answered is not { } last || time.GetElapsedTime(last) >= _patience)
                {
                    _runtimeProblem = $"container runtime is down: {e.Message}";
                }
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

            var ready = !silent && _runtimeProblem is null && _networkProblem is null;
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
