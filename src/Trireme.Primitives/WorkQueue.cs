using System.Threading.Channels;

namespace Trireme.Primitives;

/// <summary>A queue of keys to work on, each at most once in the queue and at most with one worker at a time.</summary>
/// <remarks>
/// A key added while it waits is the same entry; a key added while it is being worked on is handed out again after
/// <see cref="Done"/>. So an event is never lost and never worked on twice at once. Thread-safe.
/// </remarks>
public sealed class WorkQueue<T> : IDisposable
    where T : notnull
{
    private readonly TimeProvider _time;
    private readonly TimeSpan _baseDelay;
    private readonly TimeSpan _maxDelay;

    // Guards all that follows. Times are timestamps, not clock times: a clock that jumps must not hold work back.
    private readonly Lock _lock = new();
    private readonly HashSet<T> _dirty;
    private readonly HashSet<T> _processing;
    private readonly Dictionary<T, int> _failures;
    private readonly Dictionary<T, long> _delayed;
    private readonly PriorityQueue<T, long> _waiting = new();
    private readonly ITimer _timer;
    private long? _wakeAt;
    private bool _shutDown;

    private readonly Channel<T> _ready = Channel.CreateUnbounded<T>();

    /// <param name="time">Clock of the delays.</param>
    /// <param name="baseDelay">Pause after the first failure of a key, doubled with each; 5 ms when null, as upstream.</param>
    /// <param name="maxDelay">Longest pause; 30 s when null, so that a long outage does not hold work back for minutes when it ends.</param>
    /// <param name="comparer">Equality of keys.</param>
    public WorkQueue(TimeProvider time, TimeSpan? baseDelay = null, TimeSpan? maxDelay = null, IEqualityComparer<T>? comparer = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        _baseDelay = baseDelay ?? TimeSpan.FromMilliseconds(5);
        _maxDelay = maxDelay ?? TimeSpan.FromSeconds(30);
        _dirty = new HashSet<T>(comparer);
        _processing = new HashSet<T>(comparer);
        _failures = new Dictionary<T, int>(comparer);
        _delayed = new Dictionary<T, long>(comparer);
        _timer = time.CreateTimer(static state => ((WorkQueue<T>)state!).Release(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Keys that wait for a worker; those that wait for their time do not count.</summary>
    public int Count => _ready.Reader.Count;

    /// <summary>Asks for work on a key as soon as there is a worker.</summary>
    public void Add(T key)
    {
        lock (_lock)
        {
            AddLocked(key);
        }
    }

    /// <summary>Adds a key after a while; of several such wishes for one key the earliest counts.</summary>
    public void AddAfter(T key, TimeSpan delay)
    {
        lock (_lock)
        {
            if (delay <= TimeSpan.Zero)
            {
                AddLocked(key);
                return;
            }

            var due = _time.GetTimestamp() + (long)(delay.TotalSeconds * _time.TimestampFrequency);
            if (_shutDown || (_delayed.TryGetValue(key, out var earlier) && earlier <= due))
            {
                return;
            }

            _delayed[key] = due;
            _waiting.Enqueue(key, due);
            ArmLocked();
        }
    }

    /// <summary>Adds a key after a pause that grows with each failure since the last <see cref="Forget"/>.</summary>
    public void AddRateLimited(T key)
    {
        TimeSpan delay;
        lock (_lock)
        {
            var failures = _failures.GetValueOrDefault(key);
            _failures[key] = failures + 1;
            delay = Backoff.Exponential(_baseDelay, _maxDelay, failures);
        }

        AddAfter(key, delay);
    }

    /// <summary>The key's work succeeded (or is given up): its next failure is the first one again.</summary>
    public void Forget(T key)
    {
        lock (_lock)
        {
            _failures.Remove(key);
        }
    }

    /// <summary>How often the key failed since it was last forgotten.</summary>
    public int Failures(T key)
    {
        lock (_lock)
        {
            return _failures.GetValueOrDefault(key);
        }
    }

    /// <summary>The next key, which belongs to the caller until <see cref="Done"/>. Any number of workers may wait.</summary>
    /// <exception cref="ChannelClosedException">The queue was shut down and is empty.</exception>
    public async ValueTask<T> GetAsync(CancellationToken cancellationToken)
    {
        var key = await _ready.Reader.ReadAsync(cancellationToken);
        lock (_lock)
        {
            _processing.Add(key);
            _dirty.Remove(key);
        }

        return key;
    }

    /// <summary>The caller is finished with the key, well or not. What was added meanwhile becomes ready.</summary>
    public void Done(T key)
    {
        lock (_lock)
        {
            if (_processing.Remove(key) && _dirty.Contains(key))
            {
                _ready.Writer.TryWrite(key);
            }
        }
    }

    /// <summary>Takes no more keys; those that wait are still handed out.</summary>
    public void ShutDown()
    {
        lock (_lock)
        {
            _shutDown = true;
            _ready.Writer.TryComplete();
        }
    }

    /// <summary>Forgets everything, for a worker group that starts over.</summary>
    public void Dispose()
    {
        ShutDown();
        _timer.Dispose();
    }

    private void AddLocked(T key)
    {
        if (_shutDown || !_dirty.Add(key) || _processing.Contains(key))
        {
            return;
        }

        _ready.Writer.TryWrite(key);
    }

    private void Release()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            while (_waiting.TryPeek(out var key, out var due) && due <= now)
            {
                _waiting.Dequeue();
                // An entry that was overtaken by an earlier wish is stale: its key has left _delayed or has another time there.
                if (_delayed.TryGetValue(key, out var wanted) && wanted == due)
                {
                    _delayed.Remove(key);
                    AddLocked(key);
                }
            }

            _wakeAt = null;
            ArmLocked();
        }
    }

    private void ArmLocked()
    {
        if (_shutDown || !_waiting.TryPeek(out _, out var due) || (_wakeAt is { } armed && armed <= due))
        {
            return;
        }

        _wakeAt = due;
        var now = _time.GetTimestamp();
        // Timers count in milliseconds: rounding down would wake too early, and again.
        var delay = due <= now ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Ceiling(_time.GetElapsedTime(now, due).TotalMilliseconds));
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
    }
}
