using System.Buffers;
using System.Text;
using Trireme.Component.Metrics;

namespace Trireme.Component.Tests.Metrics;

public sealed class MetricsRegistryTests
{
    private readonly MetricsRegistry _metrics = new();

    [Fact]
    public void Families_are_written_by_name_with_their_labels()
    {
        _metrics.Gauge("b", "B.").With().Set(1.5);
        _metrics.Counter("a_total", "A.", "verb", "path").With("get", "x\"\\\n").Increment(2);
        Assert.Equal(
            "# HELP a_total A.\n# TYPE a_total counter\na_total{verb=\"get\",path=\"x\\\"\\\\\\n\"} 2\n# HELP b B.\n# TYPE b gauge\nb 1.5\n",
            Text());
    }

    [Fact]
    public void Buckets_of_a_histogram_are_cumulative()
    {
        var histogram = _metrics.Histogram("h", "H.", [1, 2]).With();
        histogram.Observe(0.5);
        histogram.Observe(2);
        histogram.Observe(9);
        Assert.Contains("h_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 11.5\nh_count 3\n", Text(), StringComparison.Ordinal);
    }

    [Fact]
    public void Asking_again_gives_the_same_metric_and_removal_forgets_it()
    {
        var family = _metrics.Counter("c", "C.", "x");
        family.With("1").Increment();
        Assert.Same(family.With("1"), _metrics.Counter("c", "C.", "x").With("1"));
        family.Remove("1");
        Assert.Equal(0, family.With("1").Value);
        Assert.Throws<ArgumentException>(() => family.With("1", "2"));
    }

    [Fact]
    public async Task Increments_of_many_threads_all_count()
    {
        var counter = _metrics.Counter("n", "N.").With();
        var gauge = _metrics.Gauge("g", "G.").With();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                counter.Increment();
                gauge.Add(1);
            }
        })));
        Assert.Equal((8000L, 8000.0), (counter.Value, gauge.Value));
    }

    private string Text()
    {
        var buffer = new ArrayBufferWriter<byte>();
        _metrics.WriteTo(buffer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
