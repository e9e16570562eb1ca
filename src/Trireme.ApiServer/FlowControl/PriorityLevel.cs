namespace Trireme.ApiServer.FlowControl;

/// <summary>
/// A share of the server's concurrency. Requests above it wait in a queue per flow (user or namespace), served in turn, so that one busy
/// client delays itself and not its neighbours.
/// </summary>
/// <remarks>
/// <code>
///            slot free                          slot given back to the next flow in turn
/// request ------------&gt; running        queued ------------------------------------------&gt; running
///    |  no slot, room in the flow's queue  ^
///    +-------------------------------------+
///    |  no slot, no room: rejected at once
/// </code>
/// Thread-safe; the lock is held for a few dictionary operations only.
/// </remarks>
public sealed class PriorityLevel(string name)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedList<Waiter>> _queues = new(StringComparer.Ordinal);
    private readonly Queue<string> _turns = new();
    private int _running;
    private int _waiting;

    public string Name { get; } = name;

    /// <summary>Whether nothing is limited.</summary>
    public bool IsExempt { get; private set; }

    /// <summary>Requests that run at once.</summary>
    public int Concurrency { get; private set; } = 1;

    /// <summary>Requests of one flow that may wait; 0: none, the level rejects.</summary>
    public int QueueLength { get; private set; }

    /// <summary>Requests that run now.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Requests that wait now.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Changes the limits; what runs or waits stays.</summary>
    public void Configure(bool isExempt, int concurrency, int queueLength)
    {
        lock (_lock)
        {
            (IsExempt, Concurrency, QueueLength) = (isExempt, concurrency, queueLength);
            StartWaiting();
        }
    }

    /// <summary>Waits for a slot.</summary>
    /// <returns>False when the flow's queue is full or the wait lasted too long: the request must be rejected.</returns>
    public async ValueTask<bool> AcquireAsync(string flow, TimeSpan patience, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            if (IsExempt || (_running < Concurrency && _waiting == 0))
            {
                _running++;
                return true;
            }

            if (!_queues.TryGetValue(flow, out var queue))
            {
                if (QueueLength == 0)
                {
                    return false;
                }

                _queues[flow] = queue = new LinkedList<Waiter>();
            }

            if (queue.Count >= QueueLength)
            {
                return false;
            }

            waiter = new Waiter();
            queue.AddLast(waiter);
            if (queue.Count == 1)
            {
                // A flow whose requests all gave up may have a turn left: two turns for one flow do no harm.
                _turns.Enqueue(flow);
            }

            _waiting++;
            StartWaiting();
        }

        using var timeout = new CancellationTokenSource(patience, timeProvider);
        using var onTimeout = timeout.Token.UnsafeRegister(static w => ((Waiter)w!).Start.TrySetResult(false), waiter);
        using var onCancel = cancellationToken.UnsafeRegister(static w => ((Waiter)w!).Start.TrySetResult(false), waiter);
        var started = await waiter.Start.Task;
        if (!started)
        {
            GiveUp(flow, waiter);
        }
        else if (cancellationToken.IsCancellationRequested)
        {
            // The slot came in the moment in which the client went: nobody else would give it back.
            Release();
        }

        cancellationToken.ThrowIfCancellationRequested();
        return started;
    }

    /// <summary>Gives a slot back.</summary>
    public void Release()
    {
        lock (_lock)
        {
            _running--;
            StartWaiting();
        }
    }

    /// <summary>Gives free slots to waiting requests, one per flow in turn; those that gave up meanwhile are skipped.</summary>
    private void StartWaiting()
    {
        while ((IsExempt || _running < Concurrency) && _turns.TryDequeue(out var flow))
        {
            if (!_queues.TryGetValue(flow, out var queue))
            {
                continue;
            }

            var waiter = queue.First!.Value;
            queue.RemoveFirst();
            _waiting--;
            if (queue.Count > 0)
            {
                _turns.Enqueue(flow);
            }
            else
            {
                _queues.Remove(flow);
            }

            if (waiter.Start.TrySetResult(true))
            {
                _running++;
            }
        }
    }

    /// <summary>Takes a request that waits no longer out of its queue, so that the dead do not fill it.</summary>
    private void GiveUp(string flow, Waiter waiter)
    {
        lock (_lock)
        {
            if (_queues.TryGetValue(flow, out var queue) && queue.Remove(waiter))
            {
                _waiting--;
                if (queue.Count == 0)
                {
                    // Its turn stays in the row and is passed over.
                    _queues.Remove(flow);
                }
            }
        }
    }

    private sealed class Waiter
    {
        public TaskCompletionSource<bool> Start { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
