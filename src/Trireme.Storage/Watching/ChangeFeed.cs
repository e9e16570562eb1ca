using System.Runtime.CompilerServices;

namespace Trireme.Storage.Watching;

/// <summary>Reads the changes under a prefix with a revision in (after, upTo] from where the store keeps its history: whole revisions, in
/// order, the last batch being at <paramref name="upTo"/> or later.</summary>
/// <exception cref="StoreCompactedException">The changes behind <paramref name="after"/> are gone.</exception>
public delegate IAsyncEnumerable<WatchBatch> ReadChanges(
    string prefix, Revision after, Revision upTo, CancellationToken cancellationToken);

/// <summary>
/// The recent changes of a store in memory, and everyone who follows them: one writer, any number of followers.
/// </summary>
/// <remarks>
/// Followers pull: none has a queue, so a slow one costs nothing and blocks nobody. One that falls behind what is remembered reads the store's
/// history until it has caught up.
/// <code>
///   behind ──history──▶ in the ring ──nothing left──▶ waiting ──matching change, or progress due──▶ in the ring
///      ▲                     │
///      └── ring moved on ────┘
/// </code>
/// A waiting follower has seen everything up to the head; changes that do not match its prefix move its cursor along without waking it.
/// </remarks>
public sealed class ChangeFeed : IDisposable
{
    private const int MaxEventsPerBatch = 1000;

    /// <summary>How often an idle follower hears that it is up to date.</summary>
    public static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);

    private readonly ReadChanges _history;
    private readonly ITimer _progressTimer;
    private readonly Lock _lock = new();

    // Guarded by _lock.
    private readonly ChangeRing _ring;
    private readonly List<Follower> _followers = [];
    private long _head;
    private long _progressWanted;
    private Exception? _failure;

    /// <param name="head">Revision of the store now; what is older is history.</param>
    /// <param name="history">Reads what is no longer remembered.</param>
    /// <param name="timeProvider">Paces progress.</param>
    /// <param name="capacity">Most changes remembered.</param>
    /// <param name="capacityBytes">Most bytes of values remembered.</param>
    public ChangeFeed(
        Revision head, ReadChanges history, TimeProvider timeProvider, int capacity = 16_384, long capacityBytes = 32 << 20)
    {
        _head = head.Value;
        _history = history;
        _ring = new ChangeRing(head.Value, capacity, capacityBytes);
        _progressTimer = timeProvider.CreateTimer(_ => WakeForProgress(), null, ProgressInterval, ProgressInterval);
    }

    /// <summary>Everything up to here has been published.</summary>
    public Revision Head
    {
        get
        {
            lock (_lock)
            {
                return new Revision(_head);
            }
        }
    }

    /// <summary>Adds the changes of whole revisions, in order, all greater than <see cref="Head"/>, which becomes <paramref name="revision"/>.</summary>
    public void Publish(IReadOnlyList<StoreEvent> changes, Revision revision)
    {
        lock (_lock)
        {
            _ring.Add(changes);
            var before = _head;
            _head = Math.Max(before, revision.Value);
            foreach (var follower in _followers)
            {
                if (!follower.IsWaiting)
                {
                    continue;
                }

                if (follower.Matches(changes))
                {
                    follower.Wake();
                }
                else
                {
                    follower.Cursor = Math.Max(follower.Cursor, _head);
                    WakeIfWantedLocked(follower);
                }
            }
        }
    }

    /// <summary>Starts over at a revision when changes in between were missed: followers read them from history.</summary>
    public void Restart(Revision head)
    {
        lock (_lock)
        {
            _ring.Clear(head.Value);
            _head = Math.Max(_head, head.Value);
            foreach (var follower in _followers)
            {
                follower.Wake();
            }
        }
    }

    /// <summary>Somebody waits for this revision: followers report progress as soon as they are there, without waiting for the interval.</summary>
    public void RequestProgress(Revision revision)
    {
        lock (_lock)
        {
            if (revision.Value <= _progressWanted)
            {
                return;
            }

            _progressWanted = revision.Value;
            foreach (var follower in _followers)
            {
                WakeIfWantedLocked(follower);
            }
        }
    }

    /// <summary>Ends every follower, now and later, with this error.</summary>
    public void Fail(Exception failure)
    {
        lock (_lock)
        {
            _failure ??= failure;
            foreach (var follower in _followers)
            {
                follower.Wake();
            }
        }
    }

    /// <summary>The changes under a prefix behind a revision; see <see cref="IRevisionedStore.WatchAsync"/>.</summary>
    public async IAsyncEnumerable<WatchBatch> FollowAsync(
        string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var follower = new Follower(prefix, after.Value);
        lock (_lock)
        {
            _followers.Add(follower);
        }

        try
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var step = Next(follower);
                if (step.Behind is { } upTo)
                {
                    var history = _history(prefix, new Revision(follower.Cursor), upTo, cancellationToken);
                    await foreach (var batch in history.ConfigureAwait(false))
                    {
                        follower.Cursor = follower.Reported = batch.Revision.Value;
                        yield return batch;
                    }
                }
                else if (step.Batch is { } batch)
                {
                    yield return batch;
                }
                else
                {
                    await step.Wait!.WaitAsync(cancellationToken).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            lock (_lock)
            {
                _followers.Remove(follower);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _progressTimer.Dispose();
        Fail(new ObjectDisposedException(nameof(ChangeFeed)));
    }

    private Step Next(Follower follower)
    {
        lock (_lock)
        {
            if (_failure is not null)
            {
                throw _failure;
            }

            if (follower.Cursor < _ring.Floor)
            {
                return new Step(Behind: new Revision(_ring.Floor));
            }

            var events = new List<StoreEvent>();
            var more = _ring.Read(follower.Prefix, ref follower.Cursor, events, MaxEventsPerBatch);
            if (!more)
            {
                follower.Cursor = Math.Max(follower.Cursor, _head);
            }

            // A watch from a revision that is still to come has nothing to report before the store is there.
            var progressDue = (follower.ProgressDue || IsWantedLocked(follower)) && follower.Cursor <= _head;
            if (events.Count > 0 || more || progressDue)
            {
                follower.ProgressDue = false;
                follower.Reported = follower.Cursor;
                return new Step(Batch: new WatchBatch(events, new Revision(follower.Cursor)));
            }

            return new Step(Wait: follower.StartWaiting());
        }
    }

    private void WakeForProgress()
    {
        lock (_lock)
        {
            foreach (var follower in _followers)
            {
                follower.ProgressDue = true;
                follower.Wake();
            }
        }
    }

    private void WakeIfWantedLocked(Follower follower)
    {
        if (IsWantedLocked(follower))
        {
            follower.Wake();
        }
    }

    private bool IsWantedLocked(Follower follower) =>
        follower.Reported < _progressWanted && follower.Cursor >= _progressWanted;

    /// <summary>What a follower does next; exactly one is set.</summary>
    private readonly record struct Step(Revision? Behind = null, WatchBatch? Batch = null, Task? Wait = null);

    /// <summary>One reader. Fields are guarded by the feed's lock, except that the cursor belongs to the reader while it reads history.</summary>
    private sealed class Follower(string prefix, long after)
    {
        private TaskCompletionSource? _wait;

        public long Cursor = after;

        public string Prefix { get; } = prefix;

        public long Reported { get; set; }

        public bool ProgressDue { get; set; } = true;

        public bool IsWaiting => _wait is not null;

        public bool Matches(IReadOnlyList<StoreEvent> changes)
        {
            for (var i = 0; i < changes.Count; i++)
            {
                if (changes[i].Key.StartsWith(Prefix, StringComparison.Ordinal))
                {
                    return true;
                }
            }

            return false;
        }

        public Task StartWaiting()
        {
            _wait = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _wait.Task;
        }

        public void Wake()
        {
            _wait?.SetResult();
            _wait = null;
        }
    }
}
