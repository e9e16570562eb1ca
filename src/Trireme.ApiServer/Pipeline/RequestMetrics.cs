using System.Globalization;
using Trireme.Component.Metrics;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Counts requests under the names that Kubernetes' dashboards know.</summary>
public sealed class RequestMetrics(MetricsRegistry metrics)
{
    private readonly CounterFamily _total = metrics.Counter(
        "apiserver_request_total", "Counter of apiserver requests broken out for each verb, group, version, resource, subresource and HTTP response code.",
        "verb", "group", "version", "resource", "subresource", "code");

    private readonly HistogramFamily _seconds = metrics.Histogram(
        "apiserver_request_duration_seconds", "Response latency distribution in seconds, watches and streams left out.",
        MetricsRegistry.LatencyBuckets, "verb", "group", "resource", "subresource");

    private readonly GaugeFamily _inflight = metrics.Gauge(
        "apiserver_current_inflight_requests", "Number of requests being served now.", "request_kind");

    private readonly GaugeFamily _longRunning = metrics.Gauge("apiserver_longrunning_requests", "Number of watches and streams being served now.", "verb");

    public void Begin(RequestInfo info) => GaugeOf(info).Add(1);

    public void End(RequestInfo info, int code, TimeSpan elapsed)
    {
        GaugeOf(info).Add(-1);

        // Paths and names of clients' making must not become labels: there is no end to them.
        var known = code != 404 && info.IsResourceRequest;
        var resource = known ? info.Resource : "";
        var subresource = known ? info.Subresource : "";
        _total.With(info.Verb, known ? info.Group : "", known ? info.Version : "", resource, subresource, code.ToString(CultureInfo.InvariantCulture)).Increment();
        if (!LongRunning.Is(info))
        {
            _seconds.With(info.Verb, known ? info.Group : "", resource, subresource).Observe(elapsed.TotalSeconds);
        }
    }

    private Gauge GaugeOf(RequestInfo info) => LongRunning.Is(info)
        ? _longRunning.With(info.Verb)
        : _inflight.With(info.IsReadOnly ? "readOnly" : "mutating");
}
