using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Probes;

namespace Trireme.Kubelet.Tests.Containers;

public sealed class PodActionsTests
{
    private readonly FixedProbes _probes = new();

    [Fact]
    public void A_new_pod_gets_a_sandbox_and_all_containers()
    {
        var actions = Compute(Pods.Make("a", "b"), PodRuntimeStatus.Empty("uid-1"));

        Assert.True(actions is { CreateSandbox: true, Attempt: 0, KillPod: false });
        Assert.Equal(["a", "b"], actions.ContainersToStart.Select(c => c.Name));
    }

    [Fact]
    public void Nothing_is_done_to_a_pod_that_is_as_it_should_be()
    {
        var pod = Pods.Make("a");

        Assert.True(Compute(pod, Pods.Runtime(Pods.Running(pod.Spec!.Containers![0]))).IsEmpty);
    }

    [Theory]
    [InlineData("Always", 0, true)]
    [InlineData("Always", 1, true)]
    [InlineData("OnFailure", 0, false)]
    [InlineData("OnFailure", 1, true)]
    [InlineData("Never", 1, false)]
    public void An_exited_container_is_restarted_as_the_policy_says(string policy, int code, bool restarted)
    {
        var pod = Pods.Make("a", "b");
        pod.Spec!.RestartPolicy = policy;
        var runtime = Pods.Runtime(Pods.Exited(pod.Spec.Containers![0], code), Pods.Running(pod.Spec.Containers[1]));

        Assert.Equal(restarted, Compute(pod, runtime).ContainersToStart.Any(c => c.Name == "a"));
    }

    [Fact]
    public void A_rule_on_exit_codes_restarts_although_the_policy_would_not()
    {
        var pod = Pods.Make("a");
        pod.Spec!.RestartPolicy = "Never";
        pod.Spec.Containers![0].RestartPolicy = "Never";
        pod.Spec.Containers[0].RestartPolicyRules =
            [new ContainerRestartRule { Action = "Restart", ExitCodes = new ContainerRestartRuleOnExitCodes { Operator = "In", Values = [42] } }];

        Assert.Single(Compute(pod, Pods.Runtime(Pods.Exited(pod.Spec.Containers[0], 42))).ContainersToStart);
        Assert.Empty(Compute(pod, Pods.Runtime(Pods.Exited(pod.Spec.Containers[0], 1))).ContainersToStart);
    }

    [Fact]
    public void A_pod_whose_containers_are_all_done_is_stopped()
    {
        var pod = Pods.Make("a");
        pod.Spec!.RestartPolicy = "Never";

        Assert.True(Compute(pod, Pods.Runtime(Pods.Exited(pod.Spec.Containers![0], 0))) is { KillPod: true, CreateSandbox: false });
    }

    [Fact]
    public void A_lost_sandbox_is_made_again_with_everything_in_it()
    {
        var pod = Pods.Make("a");
        var runtime = new PodRuntimeStatus("uid-1", [Pods.Sandbox("s1", 0, ready: false)], [Pods.Exited(pod.Spec!.Containers![0], 255)]);

        var actions = Compute(pod, runtime);

        Assert.True(actions is { KillPod: true, CreateSandbox: true, Attempt: 1 });
        Assert.Equal(["a"], actions.ContainersToStart.Select(c => c.Name));
    }

    [Fact]
    public void A_pod_that_must_not_restart_does_not_get_another_sandbox()
    {
        var pod = Pods.Make("a");
        pod.Spec!.RestartPolicy = "Never";
        var runtime = new PodRuntimeStatus("uid-1", [Pods.Sandbox("s1", 0, ready: false)], [Pods.Exited(pod.Spec.Containers![0], 255)]);

        Assert.True(Compute(pod, runtime) is { KillPod: true, CreateSandbox: false });
    }

    [Fact]
    public void A_pod_that_must_not_restart_gets_another_sandbox_for_a_container_with_a_policy_of_its_own()
    {
        var pod = Pods.Make("a");
        pod.Spec!.RestartPolicy = "Never";
        pod.Spec.Containers![0].RestartPolicy = "OnFailure";
        var runtime = new PodRuntimeStatus("uid-1", [Pods.Sandbox("s1", 0, ready: false)], [Pods.Exited(pod.Spec.Containers[0], 255)]);

        Assert.True(Compute(pod, runtime) is { KillPod: true, CreateSandbox: true });
    }

    [Fact]
    public void A_container_whose_image_changed_is_replaced()
    {
        var pod = Pods.Make("a");
        var running = Pods.Running(pod.Spec!.Containers![0]);
        pod.Spec.Containers[0].Image = "example.org/app:2";

        var actions = Compute(pod, Pods.Runtime(running));

        Assert.Equal(ContainerKillReason.SpecChanged, Assert.Single(actions.ContainersToKill).Reason);
        Assert.Single(actions.ContainersToStart);
    }

    [Fact]
    public void A_failed_liveness_probe_kills_and_restarts()
    {
        var pod = Pods.Make("a");
        _probes[ProbeType.Liveness, "a-0"] = ProbeResult.Failure;

        var actions = Compute(pod, Pods.Runtime(Pods.Running(pod.Spec!.Containers![0])));

        Assert.Equal("Container a failed liveness probe, will be restarted", Assert.Single(actions.ContainersToKill).Message);
        Assert.Single(actions.ContainersToStart);
    }

    [Fact]
    public void Init_containers_run_one_after_the_other()
    {
        var pod = Pods.Make("main");
        pod.Spec!.InitContainers = [Pods.Container("i1"), Pods.Container("i2")];

        Assert.Equal(["i1"], Compute(pod, Pods.Runtime()).InitContainersToStart.Select(c => c.Name));
        Assert.True(Compute(pod, Pods.Runtime(Pods.Running(pod.Spec.InitContainers[0]))).IsEmpty);
        Assert.Equal(["i2"], Compute(pod, Pods.Runtime(Pods.Exited(pod.Spec.InitContainers[0], 0))).InitContainersToStart.Select(c => c.Name));
        var done = Pods.Runtime(Pods.Exited(pod.Spec.InitContainers[0], 0), Pods.Exited(pod.Spec.InitContainers[1], 0));
        Assert.Equal(["main"], Compute(pod, done).ContainersToStart.Select(c => c.Name));
    }

    [Fact]
    public void A_failed_init_container_ends_a_pod_that_must_not_restart()
    {
        var pod = Pods.Make("main");
        pod.Spec!.InitContainers = [Pods.Container("i1")];
        pod.Spec.RestartPolicy = "Never";

        Assert.True(Compute(pod, Pods.Runtime(Pods.Exited(pod.Spec.InitContainers[0], 1))).KillPod);
    }

    [Fact]
    public void A_sidecar_holds_back_what_follows_until_it_has_started()
    {
        var pod = Pods.Make("main");
        pod.Spec!.InitContainers = [Pods.Sidecar("proxy"), Pods.Container("i1")];
        pod.Spec.InitContainers[0].StartupProbe = new Probe();
        var runtime = Pods.Runtime(Pods.Running(pod.Spec.InitContainers[0]));

        Assert.True(Compute(pod, runtime).IsEmpty);
        _probes[ProbeType.Startup, "proxy-0"] = ProbeResult.Success;
        Assert.Equal(["i1"], Compute(pod, runtime).InitContainersToStart.Select(c => c.Name));
    }

    [Fact]
    public void A_sidecar_that_ends_is_restarted_beside_running_containers()
    {
        var pod = Pods.Make("main");
        pod.Spec!.RestartPolicy = "Never";
        pod.Spec.InitContainers = [Pods.Sidecar("proxy")];
        var runtime = Pods.Runtime(Pods.Exited(pod.Spec.InitContainers[0], 0), Pods.Running(pod.Spec.Containers![0]));

        var actions = Compute(pod, runtime);

        Assert.Equal(["proxy"], actions.InitContainersToStart.Select(c => c.Name));
        Assert.False(actions.KillPod);
    }

    private PodActions Compute(Pod pod, PodRuntimeStatus runtime) => PodActions.Compute(pod, runtime, _probes);
}
