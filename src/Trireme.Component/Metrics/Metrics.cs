using System.Text;

namespace Trireme.Component.Metrics;

/// <summary>Counters of one name.</summary>
public sealed class CounterFamily(string name, string help, IReadOnlyList<string> labels) : MetricFamily<Counter>(name, help, "counter", labels)
{
    private protected override Counter Create() => new();

    private protected override void WriteSamples(StringBuilder text)
    {
        foreach (var (values, child) in Children)
        {
            WriteSample(text, "", values, null, child.Value);
        }
    }
}

/// <summary>A number of events since the process began.</summary>
public sealed class Counter
{
    private long _value;

    public long Value => Interlocked.Read(ref _value);

    public void Increment(long by = 1) => Interlocked.Add(ref _value, by);
}

/// <summary>Gauges of one name.</summary>
public sealed class GaugeFamily(string name, string help, IReadOnlyList<string> labels) : MetricFamily<Gauge>(name, help, "gauge", labels)
{
    private protected override Gauge Create() => new();

    private protected override void WriteSamples(StringBuilder text)
    {
        foreach (var (values, child) in Children)
        {
            WriteSample(text, "", values, null, child.Value);
        }
    }
}

/// <summary>A value as it is now.</summary>
public sealed class Gauge
{
    private double _value;

    public double Value => Volatile.Read(ref _value);

    public void Set(double value) => Volatile.Write(ref _value, value);

    public void Add(double by)
    {
        double seen;
        do
        {
            seen = Volatile.Read(ref _value);
        }
        while (Interlocked.CompareExchange(ref _value, seen + by, seen) != seen);
    }
}

/// <summary>Histograms of one name.</summary>
public sealed class HistogramFamily(string name, string help, IReadOnlyList<double> buckets, IReadOnlyList<string> labels)
    : MetricFamily<Histogram>(name, help, "histogram", labels)
{
    private protected override Histogram Create() => new(buckets);

    private protected override void WriteSamples(StringBuilder text)
    {
        foreach (var (values, child) in Children)
        {
            var cumulative = 0L;
            for (var i = 0; i < child.Bounds.Count; i++)
            {
                cumulative += child.CountAt(i);
                WriteSample(text, "_bucket", values, Format(child.Bounds[i]), cumulative);
            }

            cumulative += child.CountAt(child.Bounds.Count);
            WriteSample(text, "_bucket", values, "+Inf", cumulative);
            WriteSample(text, "_sum", values, null, child.Sum);
            WriteSample(text, "_count", values, null, cumulative);
        }
    }
}

/// <summary>How often values fell between bounds.</summary>
public sealed class Histogram(IReadOnlyList<double> bounds)
{
    private readonly long[] _counts = new long[bounds.Count + 1];
    private readonly Gauge _sum = new();

    internal IReadOnlyList<double> Bounds { get; } = bounds;

    internal double Sum => _sum.Value;

    /// <summary>Number of values that were recorded.</summary>
    public long Count
    {
        get
        {
            var total = 0L;
            for (var i = 0; i < _counts.Length; i++)
            {
                total += CountAt(i);
            }

            return total;
        }
    }

    public void Observe(double value)
    {
        var i = 0;
        while (i < Bounds.Count && value > Bounds[i])
        {
            i++;
        }

        Interlocked.Increment(ref _counts[i]);
        _sum.Add(value);
    }

    internal long CountAt(int bucket) => Interlocked.Read(ref _counts[bucket]);
}
