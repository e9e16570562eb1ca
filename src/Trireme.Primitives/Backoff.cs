namespace Trireme.Primitives;

/// <summary>Growing pauses between tries: each is <c>factor</c> times the one before, up to a maximum, spread by jitter.</summary>
/// <remarks>Not for concurrent use.</remarks>
/// <param name="initial">The first pause.</param>
/// <param name="max">No pause is longer (before jitter).</param>
/// <param name="factor">Growth; at least 1.</param>
/// <param name="jitter">Share of the pause that is added or not by chance: 0.5 gives 1 to 1.5 times the pause.</param>
/// <param name="random">Source of the jitter.</param>
public sealed class Backoff(TimeSpan initial, TimeSpan max, double factor, double jitter, Random random)
{
    private TimeSpan? _next;

    /// <summary>The pause before the next try.</summary>
    public TimeSpan Next()
    {
        var pause = _next ?? initial;
        _next = Min(max, pause * factor);
        return jitter > 0 ? pause + (pause * (jitter * random.NextDouble())) : pause;
    }

    /// <summary>Starts over: the last try succeeded.</summary>
    public void Reset() => _next = null;

    /// <summary>The pause before try number <paramref name="failures"/> + 1, without jitter and without overflow.</summary>
    public static TimeSpan Exponential(TimeSpan initial, TimeSpan max, int failures) =>
        failures >= 40 ? max : Min(max, initial * (1L << Math.Max(failures, 0)));

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
