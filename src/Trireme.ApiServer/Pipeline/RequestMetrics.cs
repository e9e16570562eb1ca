using System.Globalization;
using Trireme.Api.Schema;
using Trireme.Component.Metrics;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Counts requests under the names that Kubernetes' dashboards know.</summary>
/// <param name="metrics">Where the numbers are shown.</param>
/// <param name="definitions">The resources that are served now.</param>
public sealed class RequestMetrics(MetricsRegistry metrics, Func<IReadOnlyList<ResourceDefinition>> definitions)
{
    private static readonly HashSet<string> s_verbs =
        new(StringComparer.Ordinal) { "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy", "head", "post", "put", "options" };


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

        // Paths and methods of clients' making must not become labels, be they refused or not: there is no end to them.
        var verb = s_verbs.Contains(info.Verb) ? info.Verb : "other";
        var served = info.IsResourceRequest ? Find(info) : null;
        var (group, resource) = (served?.Group ?? "", served?.Plural ?? "");
        var subresource = served?.Subresources.ContainsKey(info.Subresource) == true ? info.Subresource : "";
        _total.With(verb, group, served?.Version ?? "", resource, subresource, code.ToString(CultureInfo.InvariantCulture)).Increment();
        if (!LongRunning.Is(info))
        {
            _seconds.With(verb, group, resource, subresource).Observe(elapsed.TotalSeconds);
        }
    }

    private ResourceDefinition? Find(RequestInfo info)
    {
        if (BuiltInResources.Find(info.Group, info.Version, info.Resource) is { } builtIn)
        {
            return builtIn;
        }

        foreach (var definition in definitions())
        {
            if (definition.IsCustom && definition.Plural == info.Resource && definition.Group == info.Group && definition.Version == info.Version)
            {
                return definition;
            }
        }

        return null;
    }

    private Gauge GaugeOf(RequestInfo info) => LongRunning.Is(info)
        ? _longRunning.With(s_verbs.Contains(info.Verb) ? info.Verb : "other")
        : _inflight.With(info.IsReadOnly ? "readOnly" : "mutating");
}
