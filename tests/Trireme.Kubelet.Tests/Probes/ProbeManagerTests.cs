using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Events;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Probes;
using Trireme.TestKit;

namespace Trireme.Kubelet.Tests.Probes;

public sealed class ProbeManagerTests : IProber, IEventRecorder, IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(Pods.Noon.AddMinutes(1));
    private readonly ProbeManager _probes;
    private readonly ConcurrentQueue<string> _attempts = new();
    private volatile bool _answer = true;
    private volatile bool _unknown;

    public ProbeManagerTests() => _probes = new ProbeManager(this, this, _time);

    public ValueTask DisposeAsync() => _probes.DisposeAsync();

    [Fact]
    public async Task Readiness_begins_false_and_follows_the_thresholds()
    {
        var (pod, runtime, container) = With(c => c.ReadinessProbe = new Probe { PeriodSeconds = 10, FailureThreshold = 2, SuccessThreshold = 1 });
        _probes.Observe(pod, runtime, "10.0.0.7");
        await UntilAsync(() => _probes.IsReady(container, runtime.Containers[0]), "ready");

        _answer = false;
        await AdvanceUntilAttemptsAsync(2);
        Assert.True(_probes.IsReady(container, runtime.Containers[0]));
        await UntilAsync(() => !_probes.IsReady(container, runtime.Containers[0]), "not ready after the second failure", advance: true);
    }

    [Fact]
    public async Task Liveness_waits_for_startup_and_is_not_asked_again_after_it_failed()
    {
        _answer = false;
        var (pod, runtime, container) = With(c =>
        {
            c.StartupProbe = new Probe { PeriodSeconds = 1, FailureThreshold = 30 };
            c.LivenessProbe = new Probe { PeriodSeconds = 1, FailureThreshold = 1 };
        });
        _probes.Observe(pod, runtime, "10.0.0.7");
        await UntilAsync(() => _attempts.Count > 3, "startup is probed", advance: true);
        Assert.DoesNotContain("Liveness", _attempts);
        Assert.False(_probes.HasStarted(container, runtime.Containers[0]));

        _answer = true;
        await UntilAsync(() => _probes.HasStarted(container, runtime.Containers[0]), "started", advance: true);
        _answer = false;
        await UntilAsync(() => _probes.Get(ProbeType.Liveness, "a-0") == ProbeResult.Failure, "liveness failed", advance: true);
    }

    [Fact]
    public async Task An_attempt_that_says_nothing_about_the_container_does_not_count()
    {
        (_answer, _unknown) = (false, true);
        var (pod, runtime, _) = With(c => c.LivenessProbe = new Probe { PeriodSeconds = 1, FailureThreshold = 1 });
        _probes.Observe(pod, runtime, "10.0.0.7");
        await AdvanceUntilAttemptsAsync(3);
        Assert.Equal(ProbeResult.Success, _probes.Get(ProbeType.Liveness, "a-0"));

        _unknown = false;
        await UntilAsync(() => _probes.Get(ProbeType.Liveness, "a-0") == ProbeResult.Failure, "liveness failed", advance: true);
    }

    [Fact]
    public async Task A_clock_that_was_set_back_suspends_no_probe()
    {
        var (pod, runtime, _) = With(c => c.LivenessProbe = new Probe { PeriodSeconds = 1, InitialDelaySeconds = 5 });
        runtime.Containers[0].Status.StartedAt = Kubelet.Cri.CriTime.ToNanoseconds(_time.GetUtcNow().AddDays(1));

        _probes.Observe(pod, runtime, "10.0.0.7");

        await UntilAsync(() => !_attempts.IsEmpty, "the container is probed");
    }

    [Fact]
    public void After_a_restart_of_the_kubelet_a_ready_container_stays_ready()
    {
        var (pod, runtime, container) = With(c => c.ReadinessProbe = new Probe { InitialDelaySeconds = 3600 });
        pod.Status = new PodStatus
        {
            ContainerStatuses =
            [
                new ContainerStatus { Name = "a", ContainerID = "containerd://a-0", Ready = true, Started = true, State = new ContainerState { Running = new ContainerStateRunning() } },
            ],
        };

        _probes.Observe(pod, runtime, "10.0.0.7");

        Assert.True(_probes.IsReady(container, runtime.Containers[0]));
    }

    Task<ProbeAttempt> IProber.ProbeAsync(Probe probe, ProbeTarget target, CancellationToken cancellationToken)
    {
        var type = probe == target.Container.LivenessProbe ? "Liveness" : probe == target.Container.StartupProbe ? "Startup" : "Readiness";
        _attempts.Enqueue(type);
        return Task.FromResult(new ProbeAttempt(_answer, "said no") { IsUnknown = _unknown });
    }

    void IEventRecorder.Event(IKubernetesObject regarding, string type, string reason, string message, string? fieldPath)
    {
    }

    private static (Pod Pod, PodRuntimeStatus Runtime, Container Container) With(Action<Container> change)
    {
        var pod = Pods.Make("a");
        var container = pod.Spec!.Containers![0];
        change(container);
        return (pod, Pods.Runtime(Pods.Running(container)), container);
    }

    private Task UntilAsync(Func<bool> condition, string what, bool advance = false) => Eventually.HoldsAsync(
        () =>
        {
            if (advance)
            {
                _time.Advance(TimeSpan.FromSeconds(1));
            }

            return condition();
        },
        what);

    private async Task AdvanceUntilAttemptsAsync(int attempts)
    {
        // One period exactly: the worker may not have armed its timer yet when time moves, so it moves in small steps.
        await UntilAsync(() => _attempts.Count >= attempts, $"{attempts} attempts", advance: true);
    }
}
