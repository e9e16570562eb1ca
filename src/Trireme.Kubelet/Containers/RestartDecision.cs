using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>Whether a container that does not run should be started (again).</summary>
public static class RestartDecision
{
    /// <param name="pod">The pod; one that is being deleted restarts nothing.</param>
    /// <param name="container">Its container; its own restart policy and rules come before the pod's (KEP-5307).</param>
    /// <param name="latest">The newest container of this name, null when there was none yet.</param>
    public static bool ShouldStart(Pod pod, Container container, RuntimeContainer? latest)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            return false;
        }

        return latest is null
            || latest.Status.State is Cri.V1.ContainerState.ContainerCreated or Cri.V1.ContainerState.ContainerUnknown
            || (latest.HasExited && RestartsAfter(pod, container, latest.Status.ExitCode));
    }

    /// <summary>Whether an exit with this code leads to a restart.</summary>
    public static bool RestartsAfter(Pod pod, Container container, int exitCode)
    {
        foreach (var rule in container.RestartPolicyRules ?? [])
        {
            var listed = rule.ExitCodes?.Values?.Contains(exitCode) == true;
            var applies = rule.ExitCodes?.Operator switch
            {
                ContainerRestartRuleOnExitCodesOperator.In => listed,
                ContainerRestartRuleOnExitCodesOperator.NotIn => !listed,
                _ => false,
            };
            if (applies)
            {
                return true;
            }
        }

        return (container.RestartPolicy ?? pod.RestartPolicyOrDefault()) switch
        {
            RestartPolicy.Never => false,
            RestartPolicy.OnFailure => exitCode != 0,
            _ => true,
        };
    }
}
