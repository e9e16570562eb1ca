using Trireme.Component.Metrics;

namespace Trireme.Scheduler;

/// <summary>Upstream's metrics of the scheduler, by upstream's names.</summary>
internal sealed class SchedulerMetrics
{
    private readonly CounterFamily _attempts;
    private readonly HistogramFamily _attemptDuration;
    private readonly Histogram _algorithmDuration;
    private readonly Histogram _podAttempts;
    private readonly Histogram _podDuration;
    private readonly Counter _preemptionVictims;

    public SchedulerMetrics(MetricsRegistry registry)
    {
        _attempts = registry.Counter("scheduler_schedule_attempts_total", "Attempts to schedule pods, by result.", "result", "profile");
        _attemptDuration = registry.Histogram(
            "scheduler_scheduling_attempt_duration_seconds", "Duration of an attempt, binding included.", MetricsRegistry.LatencyBuckets, "result", "profile");
        _algorithmDuration = registry.Histogram(
            "scheduler_scheduling_algorithm_duration_seconds", "Duration of the decision.", MetricsRegistry.LatencyBuckets).With();
        _podAttempts = registry.Histogram("scheduler_pod_scheduling_attempts", "Attempts until a pod was scheduled.", [1, 2, 4, 8, 16]).With();
        _podDuration = registry.Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds", "From first sight of a pod to its binding.", MetricsRegistry.LatencyBuckets).With();
        _preemptionVictims = registry.Counter("scheduler_preemption_victims_total", "Pods evicted in favor of others.").With();
        PendingPods = registry.Gauge("scheduler_pending_pods", "Waiting pods, by queue.", "queue");
    }

    public GaugeFamily PendingPods { get; }

    public string Profile { get; init; } = "default-scheduler";

    public void Decided(TimeSpan duration) => _algorithmDuration.Observe(duration.TotalSeconds);

    public void Scheduled(TimeSpan attempt, int attempts, TimeSpan sinceFirstSeen)
    {
        Count("scheduled", attempt);
        _podAttempts.Observe(attempts);
        _podDuration.Observe(sinceFirstSeen.TotalSeconds);
    }

    public void Unschedulable(TimeSpan attempt) => Count("unschedulable", attempt);

    public void Failed() => _attempts.With("error", Profile).Increment();

    public void Preempted(int victims) => _preemptionVictims.Increment(victims);

    private void Count(string result, TimeSpan attempt)
    {
        _attempts.With(result, Profile).Increment();
        _attemptDuration.With(result, Profile).Observe(attempt.TotalSeconds);
    }
}
