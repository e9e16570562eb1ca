using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Probes;
using Trireme.Kubelet.Status;

namespace Trireme.Kubelet.Tests.Status;

public sealed class PodStatusGeneratorTests
{
    private readonly FixedProbes _probes = new();

    [Fact]
    public void A_new_pod_is_pending_and_its_containers_are_being_created()
    {
        var status = Generate(Pods.Make("a"), PodRuntimeStatus.Empty("uid-1"));

        Assert.Equal(PodPhase.Pending, status.Phase);
        Assert.Equal("ContainerCreating", status.ContainerStatuses![0].State!.Waiting!.Reason);
        Assert.Equal("False", Condition(status, "PodReadyToStartContainers").Status);
    }

    [Fact]
    public void A_running_pod_is_ready_once_its_probe_says_so()
    {
        var pod = Pods.Make("a");
        pod.Spec!.Containers![0].ReadinessProbe = new Probe();
        var runtime = Pods.Runtime(Pods.Running(pod.Spec.Containers[0]));

        var before = Generate(pod, runtime);
        Assert.Equal((PodPhase.Running, "False", "containers with unready status: [a]"), (before.Phase, Condition(before, "Ready").Status, Condition(before, "Ready").Message));
        _probes[ProbeType.Readiness, "a-0"] = ProbeResult.Success;
        var after = Generate(pod, runtime, before, Pods.Noon.AddMinutes(1));

        Assert.Equal(("True", Pods.Noon.AddMinutes(1)), (Condition(after, "Ready").Status, Condition(after, "Ready").LastTransitionTime));
        Assert.Equal(Pods.Noon, Condition(after, "Initialized").LastTransitionTime);
        Assert.Equal(("10.0.0.7", "10.99.0.1"), (after.PodIP, after.HostIP));
    }

    [Fact]
    public void A_readiness_gate_holds_a_pod_back_until_its_condition_is_true()
    {
        var pod = Pods.Make("a");
        pod.Spec!.ReadinessGates = [new PodReadinessGate { ConditionType = "example.org/lb" }];
        var runtime = Pods.Runtime(Pods.Running(pod.Spec.Containers![0]));
        var old = new PodStatus { Conditions = [new PodCondition { Type = "example.org/lb", Status = "True" }] };

        Assert.Equal("ReadinessGatesNotReady", Condition(Generate(pod, runtime), "Ready").Reason);
        var open = Generate(pod, runtime, old);
        Assert.Equal("True", Condition(open, "Ready").Status);
        Assert.Equal("True", Condition(open, "example.org/lb").Status);
    }

    [Fact]
    public void A_crashing_container_waits_and_shows_its_last_end()
    {
        var pod = Pods.Make("a");
        var runtime = Pods.Runtime(Pods.Exited(pod.Spec!.Containers![0], 1, attempt: 2));

        var status = Generate(pod, runtime, waiting: new() { ["a"] = new WaitingReason("CrashLoopBackOff", "back-off 20s") });

        var container = status.ContainerStatuses![0];
        Assert.Equal(("CrashLoopBackOff", 1, 2), (container.State!.Waiting!.Reason, container.LastState!.Terminated!.ExitCode, container.RestartCount));
        Assert.Equal(PodPhase.Running, status.Phase);
    }

    [Theory]
    [InlineData("Never", 0, PodPhase.Succeeded)]
    [InlineData("Never", 1, PodPhase.Failed)]
    [InlineData("OnFailure", 0, PodPhase.Succeeded)]
    [InlineData("OnFailure", 1, PodPhase.Running)]
    [InlineData("Always", 0, PodPhase.Running)]
    public void The_phase_of_an_ended_pod_follows_its_policy(string policy, int code, string phase)
    {
        var pod = Pods.Make("a");
        pod.Spec!.RestartPolicy = policy;

        Assert.Equal(phase, Generate(pod, Pods.Runtime(Pods.Exited(pod.Spec.Containers![0], code))).Phase);
    }

    [Theory]
    [InlineData(42, PodPhase.Running)]
    [InlineData(1, PodPhase.Failed)]
    public void The_phase_of_a_pod_that_must_not_restart_follows_the_rules_of_its_containers(int code, string phase)
    {
        var pod = Pods.Make("main");
        pod.Spec!.RestartPolicy = "Never";
        pod.Spec.Containers![0].RestartPolicyRules =
            [new ContainerRestartRule { Action = "Restart", ExitCodes = new ContainerRestartRuleOnExitCodes { Operator = "In", Values = [42] } }];

        Assert.Equal(phase, Generate(pod, Pods.Runtime(Pods.Exited(pod.Spec.Containers[0], code))).Phase);
    }

    [Fact]
    public void A_failed_init_container_that_is_restarted_does_not_fail_the_pod()
    {
        var pod = Pods.Make("main");
        pod.Spec!.RestartPolicy = "Never";
        pod.Spec.InitContainers = [Pods.Container("prepare")];
        pod.Spec.InitContainers[0].RestartPolicy = "OnFailure";

        Assert.Equal(PodPhase.Pending, Generate(pod, Pods.Runtime(Pods.Exited(pod.Spec.InitContainers[0], 1))).Phase);
    }

    [Fact]
    public void A_pod_with_the_machines_network_has_its_address_before_its_sandbox()
    {
        var pod = Pods.Make("a");
        pod.Spec!.HostNetwork = true;

        Assert.Equal("10.99.0.1", Generate(pod, PodRuntimeStatus.Empty("uid-1")).PodIP);
    }

    [Fact]
    public void A_failed_pod_is_not_shown_as_failed_while_a_container_runs()
    {
        var pod = Pods.Make("a");
        var runtime = Pods.Runtime(Pods.Running(pod.Spec!.Containers![0]));
        var evicted = new WaitingReason("Evicted", "low on memory");
        var old = new PodStatus { Phase = PodPhase.Running };

        Assert.Equal(PodPhase.Running, Generate(pod, runtime, old, failure: evicted).Phase);
        var stopped = Generate(pod, Pods.Runtime(Pods.Exited(pod.Spec.Containers[0], 137)), old, failure: evicted);
        Assert.Equal((PodPhase.Failed, "Evicted"), (stopped.Phase, stopped.Reason));
    }

    [Fact]
    public void A_pod_that_has_ended_stays_ended_when_its_containers_are_gone()
    {
        var pod = Pods.Make("a");
        pod.Spec!.RestartPolicy = "Never";
        var ended = Generate(pod, Pods.Runtime(Pods.Exited(pod.Spec.Containers![0], 0)));

        var later = Generate(pod, PodRuntimeStatus.Empty("uid-1"), ended);

        Assert.Equal((PodPhase.Succeeded, 0), (later.Phase, later.ContainerStatuses![0].State!.Terminated!.ExitCode));
    }

    [Fact]
    public void Init_containers_keep_the_pod_pending_and_say_which_is_missing()
    {
        var pod = Pods.Make("main");
        pod.Spec!.InitContainers = [Pods.Container("i1"), Pods.Container("i2")];

        var status = Generate(pod, Pods.Runtime(Pods.Exited(pod.Spec.InitContainers[0], 0), Pods.Running(pod.Spec.InitContainers[1])));

        Assert.Equal((PodPhase.Pending, "containers with incomplete status: [i2]"), (status.Phase, Condition(status, "Initialized").Message));
        Assert.Equal("PodInitializing", status.ContainerStatuses![0].State!.Waiting!.Reason);
    }

    private static PodCondition Condition(PodStatus status, string type) => status.Conditions!.Single(c => c.Type == type);

    private PodStatus Generate(
        Pod pod, PodRuntimeStatus runtime, PodStatus? old = null, DateTimeOffset? now = null, Dictionary<string, WaitingReason>? waiting = null, WaitingReason? failure = null) =>
        PodStatusGenerator.Generate(pod, new PodStatusInput(runtime, old, waiting ?? [], _probes, ["10.99.0.1"], _ => null, now ?? Pods.Noon) { Failure = failure });
}
