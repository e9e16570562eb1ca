using System.Collections.Concurrent;

namespace Trireme.Kubelet.Containers;

/// <summary>
/// Delays that double with each failure and are forgotten after twice the maximum without one. One instance serves container restarts (10 s to
/// 5 min), another image pulls. Thread-safe.
/// </summary>
public sealed class CrashLoopBackOff(TimeProvider time, TimeSpan initial, TimeSpan maximum)
{
    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>As kubelets do: 10 s, 20 s, … 5 min.</summary>
    public CrashLoopBackOff(TimeProvider time)
        : this(time, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(5))
    {
    }

    /// <summary>How long still to wait before trying again, counted from the failure at <paramref name="failedAt"/>; zero when free to try.</summary>
    public TimeSpan Remaining(string key, DateTimeOffset failedAt)
    {
        if (!_entries.TryGetValue(key, out var entry) || failedAt - entry.LastUpdate > maximum * 2)
        {
            return TimeSpan.Zero;
        }

        // A failure in the future means that the clock was set back: nobody waits until it has caught up.
        var passed = time.GetUtcNow() - failedAt;
        return passed >= TimeSpan.Zero && passed < entry.Delay ? entry.Delay - passed : TimeSpan.Zero;
    }

    /// <summary>The delay that is in force for a key; zero when there is none.</summary>
    public TimeSpan Current(string key) => _entries.TryGetValue(key, out var entry) ? entry.Delay : TimeSpan.Zero;

    /// <summary>Notes a try after the failure at <paramref name="failedAt"/>: the next failure waits twice as long.</summary>
    public void Next(string key, DateTimeOffset failedAt) =>
        _entries.AddOrUpdate(
            key,
            _ => new Entry(initial, time.GetUtcNow()),
            (_, old) => failedAt - old.LastUpdate > maximum * 2
                ? new Entry(initial, time.GetUtcNow())
                : new Entry(old.Delay * 2 < maximum ? old.Delay * 2 : maximum, time.GetUtcNow()));

    public void Reset(string key) => _entries.TryRemove(key, out _);

    /// <summary>Forgets the keys that begin so, for example those of a pod that is gone.</summary>
    public void ForgetPrefix(string prefix)
    {
        foreach (var key in _entries.Keys)
        {
            if (key.StartsWith(prefix, StringComparison.Ordinal))
            {
                _entries.TryRemove(key, out _);
            }
        }
    }

    private sealed record Entry(TimeSpan Delay, DateTimeOffset LastUpdate);
}
