using System.Threading.Channels;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.Probes;

/// <summary>Runs one probe of one container for as long as its pod lives, across restarts of the container.</summary>
/// <remarks>
/// Per round: no running container, within initialDelay, or startup not yet done: nothing. Otherwise one attempt; only a run of
/// successThreshold or failureThreshold equal outcomes changes the result. After liveness or startup has failed the worker waits for the next container.
/// </remarks>
internal sealed class ProbeWorker
{
    private readonly ProbeType _type;
    private readonly Probe _probe;
    private readonly string _containerName;
    private readonly ProbeManager _manager;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping;

    // A new container must not wait for the rest of a period: its first attempt is due at once.
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private volatile Observation? _observed;
    private string? _probedId;
    private bool _onHold;
    private int _run;
    private bool? _lastOutcome;

    public ProbeWorker(ProbeType type, Probe probe, string containerName, ProbeManager manager, TimeProvider time, CancellationToken stopping)
    {
        (_type, _probe, _containerName, _manager, _time) = (type, probe, containerName, manager, time);
        _stopping = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Completion = Task.Run(RunAsync, CancellationToken.None);
    }

    public ProbeType Type => _type;

    public Task Completion { get; }

    public void Stop() => _stopping.Cancel();

    /// <summary>Tells the worker how its pod is now.</summary>
    public void Observe(Pod pod, Container container, RuntimeContainer? running, string podIP)
    {
        var isNew = running is not null && _observed?.Running?.Id != running.Id;
        _observed = new Observation(pod, container, running, podIP);
        if (isNew)
        {
            _wake.Writer.TryWrite(true);
        }
    }

    private async Task RunAsync()
    {
        var cancellationToken = _stopping.Token;
        var period = TimeSpan.FromSeconds(Math.Max(1, _probe.PeriodSeconds));
        try
        {
            while (true)
            {
                var next = await RoundAsync(cancellationToken) ?? period;
                using var pause = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                var delay = Task.Delay(next, _time, pause.Token);
                await Task.WhenAny(delay, _wake.Reader.WaitToReadAsync(pause.Token).AsTask());
                await pause.CancelAsync();
                _wake.Reader.TryRead(out _);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The pod is going.
        }
    }

    /// <summary>One attempt, if one is due. Returns when to come again, null for the usual period.</summary>
    private async Task<TimeSpan?> RoundAsync(CancellationToken cancellationToken)
    {
        if (_observed is not { Running: { IsRunning: true } running } observed)
        {
            return null;
        }

        if (running.Id != _probedId)
        {
            (_probedId, _onHold, _run, _lastOutcome) = (running.Id, false, 0, null);
            _manager.Start(_type, running.Id);
        }

        var known = _manager.Get(_type, running.Id);
        if (_onHold || (_type == ProbeType.Startup && known == ProbeResult.Success))
        {
            return null;
        }

        // A start in the future means that the clock was set back: it has begun by now.
        var age = _time.GetUtcNow() - running.StartedAt;
        var wait = TimeSpan.FromSeconds(_probe.InitialDelaySeconds) - age;
        if (wait > TimeSpan.Zero && age >= TimeSpan.Zero)
        {
            return wait;
        }

        if (_type != ProbeType.Startup && !_manager.HasStarted(observed.Container, running))
        {
            return null;
        }

        var attempt = await _manager.AttemptAsync(_probe, new ProbeTarget(observed.Pod, observed.Container, running.Id, observed.PodIP), cancellationToken);
        if (attempt.IsUnknown)
        {
            _manager.ReportUnknown(_type, observed.Pod, _containerName, attempt.Output);
        }
        else
        {
            Count(attempt, observed, running);
        }

        return null;
    }

    private void Count(ProbeAttempt attempt, Observation observed, RuntimeContainer running)
    {
        _run = _lastOutcome == attempt.Success ? _run + 1 : 1;
        _lastOutcome = attempt.Success;
        if (!attempt.Success)
        {
            _manager.ReportFailure(_type, observed.Pod, _containerName, attempt.Output);
        }

        var threshold = Math.Max(1, attempt.Success ? _probe.SuccessThreshold : _probe.FailureThreshold == 0 ? 3 : _probe.FailureThreshold);
        if (_run < threshold)
        {
            return;
        }

        _manager.Set(_type, observed.Pod, running.Id, attempt.Success ? ProbeResult.Success : ProbeResult.Failure);
        if (!attempt.Success && _type != ProbeType.Readiness)
        {
            _onHold = true;
            _run = 0;
        }
    }

    private sealed record Observation(Pod Pod, Container Container, RuntimeContainer? Running, string PodIP);
}
