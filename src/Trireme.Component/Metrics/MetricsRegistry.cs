using System.Buffers;
using System.Collections.Concurrent;
using System.Text;

namespace Trireme.Component.Metrics;

/// <summary>The metrics of one process, written in the Prometheus text format (version 0.0.4).</summary>
/// <remarks>Thread-safe. Recording into a child that exists allocates nothing; keep the child where a path is hot.</remarks>
public sealed class MetricsRegistry
{
    /// <summary>Content type of what <see cref="WriteTo"/> writes.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Upper bounds in seconds that suit request latencies.</summary>
    public static IReadOnlyList<double> LatencyBuckets { get; } = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly ConcurrentDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<Action> _collectors = new();

    /// <summary>A value that only grows. Asking again for the same name returns the same family.</summary>
    public CounterFamily Counter(string name, string help, params string[] labels) =>
        (CounterFamily)_families.GetOrAdd(name, n => new CounterFamily(n, help, labels));

    /// <summary>A value that goes up and down.</summary>
    public GaugeFamily Gauge(string name, string help, params string[] labels) =>
        (GaugeFamily)_families.GetOrAdd(name, n => new GaugeFamily(n, help, labels));

    /// <summary>A distribution over buckets.</summary>
    public HistogramFamily Histogram(string name, string help, IReadOnlyList<double> buckets, params string[] labels) =>
        (HistogramFamily)_families.GetOrAdd(name, n => new HistogramFamily(n, help, buckets, labels));

    /// <summary>Runs before each scrape, to set gauges whose value is read elsewhere.</summary>
    public void OnScrape(Action collect) => _collectors.Enqueue(collect);

    /// <summary>Writes every family, by name.</summary>
    public void WriteTo(IBufferWriter<byte> output)
    {
        foreach (var collect in _collectors)
        {
            collect();
        }

        var text = new StringBuilder(16 * 1024);
        foreach (var family in _families.Values.OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            family.WriteTo(text);
        }

        Encoding.UTF8.GetBytes(text.ToString(), output);
    }
}
