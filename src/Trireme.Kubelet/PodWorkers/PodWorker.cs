using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.PodWorkers;

/// <summary>Where a pod is in its life on this node.</summary>
public enum PodWorkState
{
    /// <summary>Containers are started and kept running.</summary>
    Syncing,

    /// <summary>Containers are being stopped; nothing is started any more.</summary>
    Terminating,

    /// <summary>Nothing runs any more; what the pod had is being taken down.</summary>
    Terminated,

    /// <summary>Nothing is left to do.</summary>
    Finished,
}

/// <summary>The life of one pod on this node, in one task.</summary>
/// <remarks>
/// <code>
/// Syncing ──(deleted, evicted, removed, all containers done)──▶ Terminating ──▶ Terminated ──▶ Finished
///                                                                   ▲  │            ▲             │
///                                                                   └──┘ shorter    └─────────────┘ deleted after its end
///                                                                        grace
/// </code>
/// The state only moves right, but for a pod that had ended and is deleted later: it is taken down once more, with containers and logs.
/// A step that fails is repeated with growing pauses.
/// </remarks>
internal sealed class PodWorker
{
    private static readonly TimeSpan _maxPause = TimeSpan.FromSeconds(30);

    private readonly IPodSyncer _syncer;
    private readonly TimeProvider _time;
    private readonly TimeSpan _syncFrequency;
    private readonly Random _jitter;
    private readonly ILogger _logger;
    private readonly Action<string> _finished;
    private readonly CancellationTokenSource _stop;
    private readonly CancellationToken _stopping;

    // Guards all that follows.
    private readonly Lock _lock = new();
    private TaskCompletionSource _wake = NewSignal();
    private CancellationTokenSource? _step;
    private Pod _pod;
    private PodWorkState _state;
    private TimeSpan? _grace;
    private WaitingReason? _failure;
    private bool _removed;

    public PodWorker(
        Pod pod,
        IPodSyncer syncer,
        TimeProvider time,
        TimeSpan syncFrequency,
        Random jitter,
        ILogger logger,
        Action<string> finished,
        CancellationToken stopping)
    {
        (_pod, _syncer, _time, _syncFrequency, _jitter) = (pod, syncer, time, syncFrequency, jitter);
        (_logger, _finished) = (logger, finished);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        _stopping = _stop.Token;
        _state = pod.Metadata.DeletionTimestamp is not null || pod.IsTerminal() ? PodWorkState.Terminating : PodWorkState.Syncing;
    }

    public Task Completion { get; private set; } = Task.CompletedTask;

    public PodWorkState State
    {
        get
        {
            lock (_lock)
            {
                return _state;
            }
        }
    }

    /// <summary>Whether the pod was ended because it no longer existed.</summary>
    public bool WasRemoved
    {
        get
        {
            lock (_lock)
            {
                return _removed;
            }
        }
    }

    public Pod Pod
    {
        get
        {
            lock (_lock)
            {
                return _pod;
            }
        }
    }

    public void Start() => Completion = Task.Run(RunAsync, CancellationToken.None);

    /// <summary>The pod has another version. Deletion starts its end, a shorter grace period hastens it.</summary>
    public void Update(Pod pod)
    {
        lock (_lock)
        {
            var old = _pod;
            _pod = pod;
            if (pod.Metadata.DeletionTimestamp is not null)
            {
                var deletedAfterEnd = old.Metadata.DeletionTimestamp is null && _state == PodWorkState.Finished;
                TerminateLocked(pod.TerminationGracePeriod(), null, deletedAfterEnd);
            }

            WakeLocked();
        }
    }

    /// <summary>Ends the pod.</summary>
    /// <param name="grace">Time that containers have; null for what the pod says.</param>
    /// <param name="failure">Reason and message of its failure, when the kubelet ends it by itself.</param>
    /// <param name="removed">Whether the pod no longer exists in the API or the manifest directory.</param>
    public void Kill(TimeSpan? grace, WaitingReason? failure, bool removed)
    {
        lock (_lock)
        {
            var newlyRemoved = removed && !_removed;
            _removed |= removed;
            TerminateLocked(grace ?? _pod.TerminationGracePeriod(), failure, newlyRemoved && _state == PodWorkState.Finished);
            WakeLocked();
        }
    }

    /// <summary>Ends the task of a finished pod.</summary>
    public void Retire() => _stop.Cancel();

    public void Wake()
    {
        lock (_lock)
        {
            WakeLocked();
        }
    }

    private bool IsRemovedLocked => _removed || _pod.Metadata.DeletionTimestamp is not null;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void WakeLocked() => _wake.TrySetResult();

    private void TerminateLocked(TimeSpan grace, WaitingReason? failure, bool again)
    {
        _failure ??= failure;
        switch (_state)
        {
            case PodWorkState.Syncing:
                _state = PodWorkState.Terminating;
                _grace = grace;
                _step?.Cancel();
                break;
            case PodWorkState.Terminating when _grace is null || grace < _grace:
                _grace = grace;
                _step?.Cancel();
                break;
            case PodWorkState.Finished when again:
                _state = PodWorkState.Terminated;
                break;
        }
    }

    private async Task RunAsync()
    {
        var failures = 0;
        while (!_stopping.IsCancellationRequested)
        {
            TaskCompletionSource wake;
            lock (_lock)
            {
                if (_wake.Task.IsCompleted)
                {
                    _wake = NewSignal();
                }

                wake = _wake;
            }

            var pause = Timeout.InfiniteTimeSpan;
            try
            {
                pause = await StepAsync();
                failures = pause < TimeSpan.Zero && pause != Timeout.InfiniteTimeSpan ? failures + 1 : 0;
            }
            catch (OperationCanceledException)
            {
                // The state has changed under the step, or the kubelet stops: look again at once.
                continue;
            }
            catch (Exception e)
            {
                failures++;
                _logger.LogWarning("Pod {Pod} was not synced ({State}): {Error}", _pod.Describe(), State, e.Message);
            }

            if (failures > 0)
            {
                pause = BackOff(failures);
            }

            await WaitAsync(wake.Task, pause);
        }
    }

    private TimeSpan BackOff(int failures)
    {
        var pause = TimeSpan.FromSeconds(Math.Min(0.5 * Math.Pow(2, Math.Min(failures, 10)), _maxPause.TotalSeconds));
        lock (_lock)
        {
            return pause * (0.9 + (_jitter.NextDouble() * 0.2));
        }
    }

    private async Task WaitAsync(Task wake, TimeSpan pause)
    {
        if (pause == TimeSpan.Zero)
        {
            return;
        }

        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(_stopping);
        var delay = Task.Delay(pause, _time, cancel.Token);
        await Task.WhenAny(wake, delay);
        await cancel.CancelAsync();
        await delay.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Does what the state asks for. Returns how long to rest; a negative time means that it failed.</summary>
    private async Task<TimeSpan> StepAsync()
    {
        Pod pod;
        PodWorkState state;
        TimeSpan grace;
        WaitingReason? failure;
        bool removed;
        CancellationTokenSource step;
        lock (_lock)
        {
            (pod, state, failure, removed) = (_pod, _state, _failure, IsRemovedLocked);
            grace = _grace ?? pod.TerminationGracePeriod();
            if (state == PodWorkState.Terminating)
            {
                _grace = grace;
            }

            step = _step = CancellationTokenSource.CreateLinkedTokenSource(_stopping);
        }

        try
        {
            switch (state)
            {
                case PodWorkState.Syncing:
                    return await SyncAsync(pod, step.Token);

                case PodWorkState.Terminating:
                    await _syncer.SyncTerminatingPodAsync(pod, grace, failure, step.Token);
                    Advance(PodWorkState.Terminating, PodWorkState.Terminated);
                    return TimeSpan.Zero;

                case PodWorkState.Terminated:
                    await _syncer.SyncTerminatedPodAsync(pod, removed, _stopping);
                    if (TryFinish(removed))
                    {
                        _finished(pod.Uid());
                    }

                    return TimeSpan.Zero;

                default:
                    return Timeout.InfiniteTimeSpan;
            }
        }
        finally
        {
            lock (_lock)
            {
                _step = null;
            }

            step.Dispose();
        }
    }

    private async Task<TimeSpan> SyncAsync(Pod pod, CancellationToken cancellationToken)
    {
        var outcome = await _syncer.SyncPodAsync(pod, cancellationToken);
        if (outcome.IsTerminal)
        {
            Advance(PodWorkState.Syncing, PodWorkState.Terminating);
            return TimeSpan.Zero;
        }

        if (outcome.Failed)
        {
            return TimeSpan.FromTicks(-1);
        }

        lock (_lock)
        {
            var usual = _syncFrequency * (0.9 + (_jitter.NextDouble() * 0.2));
            return outcome.RetryAfter is { } soon && soon < usual ? soon : usual;
        }
    }

    /// <summary>Whether nothing is left to do; false when the pod was deleted while it was taken down as one that is only ended.</summary>
    private bool TryFinish(bool removed)
    {
        lock (_lock)
        {
            if (removed != IsRemovedLocked)
            {
                return false;
            }

            _state = PodWorkState.Finished;
            return true;
        }
    }

    private void Advance(PodWorkState from, PodWorkState to)
    {
        lock (_lock)
        {
            if (_state == from)
            {
                _state = to;
            }
        }
    }
}
