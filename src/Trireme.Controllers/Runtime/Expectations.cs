using Trireme.Client;

namespace Trireme.Controllers.Runtime;

/// <summary>What a controller has done for an object but not yet seen in its informer: until then it must not decide again.</summary>
/// <remarks>
/// Without it a controller whose cache lags would create the same pods twice. An expectation that is not met in five minutes is
/// given up: the event was lost, and what is in the cache is the truth. No event says so; the controller must come back by itself
/// (<see cref="UntilGivenUp"/>). Thread-safe.
/// </remarks>
public sealed class Expectations(TimeProvider time)
{
    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<NamespacedName, Pending> _pending = [];

    /// <summary>Whether everything that was done has been seen (or waited for long enough).</summary>
    public bool IsSatisfied(NamespacedName key)
    {
        lock (_lock)
        {
            return !_pending.TryGetValue(key, out var pending) || pending.IsMet || time.GetElapsedTime(pending.Since) > _timeout;
        }
    }

    /// <summary>When to look again although nothing may happen until then; null when everything was seen.</summary>
    public TimeSpan? UntilGivenUp(NamespacedName key)
    {
        lock (_lock)
        {
            return !_pending.TryGetValue(key, out var pending) || pending.IsMet
                ? null
                : TimeSpan.FromSeconds(1) + (_timeout - time.GetElapsedTime(pending.Since) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero);
        }
    }

    /// <summary>This many creations are about to be sent.</summary>
    public void ExpectCreations(NamespacedName key, int count) => Expect(key, count, []);

    /// <summary>Deletions of these objects (by uid) are about to be sent.</summary>
    public void ExpectDeletions(NamespacedName key, IEnumerable<string> uids) => Expect(key, 0, uids);

    /// <summary>So many creations, and the deletions of these objects (by uid), are about to be sent.</summary>
    public void Expect(NamespacedName key, int creations, IEnumerable<string> deletions)
    {
        lock (_lock)
        {
            _pending[key] = new Pending(time.GetTimestamp()) { Creations = creations, Deletions = [.. deletions] };
        }
    }

    /// <summary>A creation was seen, or failed and will never be seen.</summary>
    public void CreationObserved(NamespacedName key, int count = 1)
    {
        lock (_lock)
        {
            if (_pending.TryGetValue(key, out var pending))
            {
                pending.Creations -= count;
            }
        }
    }

    /// <summary>A deletion was seen, or failed. Seeing it twice (marked, then gone) counts once.</summary>
    public void DeletionObserved(NamespacedName key, string? uid)
    {
        lock (_lock)
        {
            if (uid is not null && _pending.TryGetValue(key, out var pending))
            {
                pending.Deletions.Remove(uid);
            }
        }
    }

    /// <summary>The object is gone.</summary>
    public void Forget(NamespacedName key)
    {
        lock (_lock)
        {
            _pending.Remove(key);
        }
    }

    /// <summary>Forgets everything: a new term begins.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _pending.Clear();
        }
    }

    private sealed class Pending(long since)
    {
        public long Since => since;

        public int Creations { get; set; }

        public HashSet<string> Deletions { get; init; } = [];

        public bool IsMet => Creations <= 0 && Deletions.Count == 0;
    }
}
