using System.Collections.Frozen;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Queue;

/// <summary>How long pods wait before they are tried again.</summary>
internal sealed record SchedulingQueueOptions
{
    public TimeSpan InitialBackoff { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>After this a refused pod is tried again without any event, in case one was missed.</summary>
    public TimeSpan MaxTimeInUnschedulable { get; init; } = TimeSpan.FromMinutes(5);
}

/// <summary>The pods that wait for a node.</summary>
/// <remarks>
/// <code>
///   Add ──► gated? ──yes──► Unschedulable (gated) ──gates gone──┐
///             │no                                               │
///             ▼                                                 │
///          Active ◄──────────────────────────────────────────---┤
///             │ Pop                 ▲ back-off over             │
///             ▼                     │                           │
///         in flight ──fault──► Backoff ◄──event worth a try──┐  │
///             │                                  still backing off?
///             ├──refused──► Unschedulable ───────────────────┴──┘
///             ▼ Done
/// </code>
/// Thread-safe; one lock, under which queueing hints are asked. A pod is in at most one of Active, Backoff, Unschedulable and in flight.
/// </remarks>
internal sealed class SchedulingQueue : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SchedulingFramework _framework;
    private readonly SchedulingQueueOptions _options;
    private readonly TimeProvider _time;
    private readonly ActiveQueue _active;
    private readonly BackoffQueue _backoff;
    private readonly UnschedulablePods _unschedulable = new();
    private readonly Dictionary<string, List<ClusterEventWithHint>> _hints = new(StringComparer.Ordinal);
    private readonly ITimer _backoffTimer;
    private readonly ITimer _leftoverTimer;
    private TaskCompletionSource? _waiter;

    /// <param name="framework">Orders and gates the pods, and names the events that its plugins wait for.</param>
    /// <param name="options">Waiting times.</param>
    /// <param name="timeProvider">Clock and timers.</param>
    public SchedulingQueue(SchedulingFramework framework, SchedulingQueueOptions options, TimeProvider timeProvider)
    {
        _framework = framework;
        _options = options;
        _time = timeProvider;
        _active = new ActiveQueue(framework.Compare);
        _backoff = new BackoffQueue(options.InitialBackoff, options.MaxBackoff);
        foreach (var plugin in framework.Plugins.OfType<IEnqueueExtensions>())
        {
            _hints[plugin.Name] = [.. plugin.EventsToRegister];
        }

        _backoffTimer = timeProvider.CreateTimer(_ => FlushBackoffCompleted(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        var period = options.MaxTimeInUnschedulable / 10;
        _leftoverTimer = timeProvider.CreateTimer(_ => FlushUnschedulableLeftover(), null, period, period);
    }

    public (int Active, int Backoff, int Unschedulable, int InFlight) Counts
    {
        get
        {
            lock (_lock)
            {
                return (_active.Heap.Count, _backoff.Heap.Count, _unschedulable.Count, _active.InFlightCount);
            }
        }
    }

    public void Dispose()
    {
        _backoffTimer.Dispose();
        _leftoverTimer.Dispose();
    }

    /// <summary>A new pending pod.</summary>
    public void Add(PodInfo pod)
    {
        lock (_lock)
        {
            var queued = TakeLocked(pod.Uid) ?? new QueuedPodInfo(pod, _time.GetTimestamp());
            queued.Pod = pod;
            MoveToActiveLocked(queued);
            NominateLocked(pod);
        }
    }

    /// <summary>A pending pod changed. Changes of status alone move nothing, or our own writes would bring every pod back.</summary>
    /// <param name="oldPod">As it was.</param>
    /// <param name="newPod">As it is.</param>
    /// <param name="actions">What changed about it that matters for scheduling.</param>
    public void Update(PodInfo oldPod, PodInfo newPod, EventAction actions)
    {
        lock (_lock)
        {
            if (oldPod.NominatedNodeName is not null && newPod.NominatedNodeName is null)
            {
                _framework.Nominator.Remove(newPod.Uid);
            }

            var change = new ClusterChange(new ClusterEvent(EventResource.PendingPod, actions), OldPod: oldPod, NewPod: newPod);
            if (_active.IsInFlight(newPod.Uid))
            {
                _active.SetLatest(newPod);
                if (actions != EventAction.None)
                {
                    _active.Observe(change);
                }

                return;
            }

            if (_active.Heap.TryGet(newPod.Uid, out var queued))
            {
                queued.Pod = newPod;
                _active.Heap.Fix(queued);
            }
            else if (_backoff.Heap.TryGet(newPod.Uid, out queued))
            {
                queued.Pod = newPod;
            }
            else if (_unschedulable.TryGet(newPod.Uid, out queued))
            {
                queued.Pod = newPod;
                if (actions != EventAction.None && (queued.Gated || IsWorthRequeuing(queued, change)))
                {
                    RequeueLocked(queued);
                }
            }
            else
            {
                MoveToActiveLocked(new QueuedPodInfo(newPod, _time.GetTimestamp()));
            }

            if (oldPod.NominatedNodeName != newPod.NominatedNodeName)
            {
                NominateLocked(newPod);
            }
        }
    }

    /// <summary>The pod is gone, was bound, or is not ours.</summary>
    public void Delete(string uid)
    {
        lock (_lock)
        {
            TakeLocked(uid);
            _active.SetGone(uid);
            _framework.Nominator.Remove(uid);
        }
    }

    /// <summary>Waits for the most important pod and takes it out; it is in flight until <see cref="Done"/> or <see cref="AddUnschedulable"/>.</summary>
    public async ValueTask<QueuedPodInfo> PopAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            TaskCompletionSource waiter;
            lock (_lock)
            {
                if (TryPopLocked() is { } pod)
                {
                    return pod;
                }

                waiter = _waiter ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            await waiter.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>As <see cref="PopAsync"/>, null when there is none.</summary>
    public QueuedPodInfo? TryPop()
    {
        lock (_lock)
        {
            return TryPopLocked();
        }
    }

    /// <summary>The pod that was taken out has been bound, or needs no node any more.</summary>
    public void Done(string uid)
    {
        lock (_lock)
        {
            _active.Done(uid);
        }
    }

    /// <summary>The pod that was taken out could not be scheduled: it waits for an event, or, after a fault, for its back-off.</summary>
    /// <param name="queued">The pod.</param>
    /// <param name="nominatedNodeName">The node that is being cleared for it; empty takes a nomination back, null leaves it as it is.</param>
    /// <returns>False when it need not come back: it was deleted or seen bound meanwhile, or is waiting already. Then it is nominated for nothing.</returns>
    public bool AddUnschedulable(QueuedPodInfo queued, string? nominatedNodeName = null)
    {
        lock (_lock)
        {
            var uid = queued.Pod.Uid;
            var (latest, gone) = _active.Fate(uid);
            queued.Pod = latest ?? queued.Pod;
            var worthIt = queued.UnschedulablePlugins.Count == 0 || _active.EventsSince(uid).Any(e => IsWorthRequeuing(queued, e));
            _active.Done(uid);
            if (gone || _active.Heap.TryGet(uid, out _) || _backoff.Heap.TryGet(uid, out _) || _unschedulable.TryGet(uid, out _))
            {
                _framework.Nominator.Remove(uid);
                return false;
            }

            queued.Timestamp = _time.GetTimestamp();
            queued.BackoffCount++;
            queued.BackoffExpiry = queued.Timestamp + (long)(_backoff.Duration(queued.BackoffCount).TotalSeconds * _time.TimestampFrequency);
            if (worthIt)
            {
                RequeueLocked(queued);
            }
            else
            {
                _unschedulable.Add(queued);
            }

            // Decided here and not by the pod's status, which may still name the node of a nomination that was taken back.
            if (nominatedNodeName is { Length: > 0 })
            {
                _framework.Nominator.AddOrUpdate(queued.Pod, nominatedNodeName);
            }
            else if (nominatedNodeName is not null)
            {
                _framework.Nominator.Remove(uid);
            }

            return true;
        }
    }

    /// <summary>Something changed in the cluster: brings back the pods for which that may matter.</summary>
    public void MoveAllToActiveOrBackoffQueue(in ClusterChange change)
    {
        lock (_lock)
        {
            _active.Observe(change);
            if (_unschedulable.Count == 0)
            {
                return;
            }

            List<QueuedPodInfo>? moved = null;
            foreach (var queued in _unschedulable.Items)
            {
                if (!queued.Gated && IsWorthRequeuing(queued, change))
                {
                    (moved ??= []).Add(queued);
                }
            }

            foreach (var queued in moved ?? [])
            {
                RequeueLocked(queued);
            }
        }
    }

    /// <summary>Pods whose back-off is over become active. Called by a timer; public for simulations that have their own.</summary>
    public void FlushBackoffCompleted()
    {
        lock (_lock)
        {
            foreach (var queued in _backoff.TakeExpired(_time.GetTimestamp()))
            {
                MoveToActiveLocked(queued);
            }

            ArmBackoffTimerLocked();
        }
    }

    /// <summary>Pods that have waited too long for an event are tried again. Called by a timer.</summary>
    public void FlushUnschedulableLeftover()
    {
        lock (_lock)
        {
            foreach (var queued in _unschedulable.Items.Where(q => !q.Gated && _time.GetElapsedTime(q.Timestamp) >= _options.MaxTimeInUnschedulable).ToList())
            {
                RequeueLocked(queued);
            }
        }
    }

    private QueuedPodInfo? TryPopLocked()
    {
        var queued = _active.Pop();
        if (queued is not null)
        {
            // The verdict of the last attempt is not that of this one, which may end without any.
            queued.UnschedulablePlugins = FrozenSet<string>.Empty;
            queued.Attempts++;
        }

        return queued;
    }

    private bool IsWorthRequeuing(QueuedPodInfo queued, in ClusterChange change)
    {
        foreach (var plugin in queued.UnschedulablePlugins)
        {
            if (!_hints.TryGetValue(plugin, out var hints))
            {
                // A plugin that registers nothing might be satisfied by anything.
                return true;
            }

            foreach (var (wanted, hint) in hints)
            {
                if (wanted.Covers(change.Event) && !IsOfAnotherPendingPod(queued, change) && (hint is null || hint(queued.Pod, change) == QueueingHint.Queue))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>What a waiting pod changes about itself matters to itself only.</summary>
    private static bool IsOfAnotherPendingPod(QueuedPodInfo queued, in ClusterChange change) =>
        change.Event.Resource == EventResource.PendingPod && change.NewPod is not null && change.NewPod.Uid != queued.Pod.Uid;

    private void RequeueLocked(QueuedPodInfo queued)
    {
        _unschedulable.Remove(queued.Pod.Uid);
        if (BackoffQueue.IsBackingOff(queued, _time.GetTimestamp()))
        {
            _backoff.Add(queued);
            ArmBackoffTimerLocked();
        }
        else
        {
            MoveToActiveLocked(queued);
        }
    }

    private void MoveToActiveLocked(QueuedPodInfo queued)
    {
        var status = _framework.RunPreEnqueue(queued.Pod);
        queued.Gated = !status.IsSuccess;
        if (queued.Gated)
        {
            queued.UnschedulablePlugins = new HashSet<string>(StringComparer.Ordinal) { status.Plugin };
            _unschedulable.Add(queued);
            return;
        }

        _unschedulable.Remove(queued.Pod.Uid);
        _active.Heap.Push(queued);
        _waiter?.TrySetResult();
        _waiter = null;
    }

    private QueuedPodInfo? TakeLocked(string uid) => _active.Heap.Remove(uid) ?? _backoff.Heap.Remove(uid) ?? _unschedulable.Remove(uid);

    private void NominateLocked(PodInfo pod)
    {
        // What this process decided is newer than what the pod's status says; the status counts after a take-over.
        if (pod.NominatedNodeName is { } node && _framework.Nominator.NodeOf(pod.Uid) is null)
        {
            _framework.Nominator.AddOrUpdate(pod, node);
        }
    }

    private void ArmBackoffTimerLocked()
    {
        if (_backoff.NextExpiry is not { } next)
        {
            return;
        }

        // Rounded up to whole milliseconds, so that the timer does not fire just before the pod is due.
        var wait = _time.GetElapsedTime(_time.GetTimestamp(), next);
        var due = wait <= TimeSpan.Zero ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Ceiling(wait.TotalMilliseconds));
        _backoffTimer.Change(due, Timeout.InfiniteTimeSpan);
    }
}
