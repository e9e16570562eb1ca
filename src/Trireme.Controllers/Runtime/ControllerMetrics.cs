using Trireme.Component.Metrics;

namespace Trireme.Controllers.Runtime;

/// <summary>Figures of the control loops, in upstream's names where they have one.</summary>
public sealed class ControllerMetrics(MetricsRegistry registry)
{
    private readonly CounterFamily _reconciles =
        registry.Counter("controller_runtime_reconcile_total", "Reconciliations per controller and result", "controller", "result");

    private readonly HistogramFamily _duration =
        registry.Histogram("workqueue_work_duration_seconds", "How long processing an item took", MetricsRegistry.LatencyBuckets, "name");

    private readonly GaugeFamily _leader =
        registry.Gauge("leader_election_master_status", "1 while this process leads, 0 while it is on standby", "name");

    /// <summary>Counts one reconciliation.</summary>
    public void Observe(string controller, bool succeeded, TimeSpan duration)
    {
        _reconciles.With(controller, succeeded ? "success" : "error").Increment();
        _duration.With(controller).Observe(duration.TotalSeconds);
    }

    /// <summary>Says whether this process leads.</summary>
    public void SetLeading(string lease, bool leading) => _leader.With(lease).Set(leading ? 1 : 0);
}
