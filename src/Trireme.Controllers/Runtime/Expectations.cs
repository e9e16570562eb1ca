using Trireme.Client;

namespace Trireme.Controllers.Runtime;

/// <summary>What a controller has done for an object but not yet seen in its informer: until then it must not decide again.</summary>
/// <remarks>
/// Without it a controller whose cache lags would create the same pods twice. An expectation that is not met in five minutes is
/// given up: the event was lost, and what is in the cache is the truth. Thread-safe.
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
            return !_pending.TryGetValue(key, out var pending)
                || (pending.Creations <= 0 && pending.Deletions.Count == 0)
                || time.GetElapsedTime(pending.Since) > _timeout;
        }
    }

    /// <summary>This many creations are about to be sent.</summary>
    public void ExpectCreations(NamespacedName key, int count)
    {
        lock (_lock)
        {
            _pending[key] = new Pending(time.GetTimestamp()) { Creations = count };
        }
    }

    /// <summary>Deletions of these objects (by uid) are about to be sent.</summary>
    public void ExpectDeletions(NamespacedName key, IEnumerable<string> uids)
    {
        lock (_lock)
        {
            _pending[key] = new Pending(time.GetTimestamp()) { Deletions = [.. uids] };
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
    }
}
