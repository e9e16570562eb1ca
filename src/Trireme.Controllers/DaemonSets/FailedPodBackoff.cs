using Trireme.Primitives;

namespace Trireme.Controllers.DaemonSets;

/// <summary>How long pods of a DaemonSet that failed on a node must stay there: longer with each that follows soon. Thread-safe.</summary>
internal sealed class FailedPodBackoff(TimeProvider time)
{
    // Upstream's numbers.
    private static readonly TimeSpan _initial = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _max = TimeSpan.FromMinutes(15);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Set, string Node), (int Failures, long At)> _failures = [];

    /// <summary>Time left before the failed pod may be replaced; zero for now.</summary>
    /// <param name="set">Uid of the DaemonSet.</param>
    /// <param name="node">Where it failed.</param>
    public TimeSpan Left(string set, string node)
    {
        lock (_lock)
        {
            if (!_failures.TryGetValue((set, node), out var known))
            {
                return TimeSpan.Zero;
            }

            var left = Backoff.Exponential(_initial, _max, known.Failures - 1) - time.GetElapsedTime(known.At);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>A failed pod is replaced.</summary>
    public void Failed(string set, string node)
    {
        lock (_lock)
        {
            // Who held out for long has earned a new beginning; what nobody asks for any more goes by the same rule.
            foreach (var old in _failures.Where(f => time.GetElapsedTime(f.Value.At) > 2 * _max).Select(f => f.Key).ToList())
            {
                _failures.Remove(old);
            }

            _failures[(set, node)] = (_failures.GetValueOrDefault((set, node)).Failures + 1, time.GetTimestamp());
        }
    }
}
