using Trireme.Api.Documents;

namespace Trireme.Api.Defaulting;

/// <summary>Defaults of the apps, batch and autoscaling groups.</summary>
internal static class WorkloadDefaults
{
    public static void Register(Dictionary<string, DefaultRule> rules)
    {
        rules["core.v1.ReplicationController"] = value =>
        {
            if (value.Find("spec", "template", "metadata", "labels") is ApiObject { Count: > 0 } labels)
            {
                value.GetOrAddObject("spec").Default("selector", labels.Clone());
                value.GetOrAddObject("metadata").Default("labels", labels.Clone());
            }
        };
        rules["core.v1.ReplicationControllerSpec"] = value => value.Default("replicas", 1);
        rules["apps.v1.DeploymentSpec"] = Deployment;
        rules["apps.v1.ReplicaSetSpec"] = value => value.Default("replicas", 1);
        rules["apps.v1.DaemonSetSpec"] = DaemonSet;
        rules["apps.v1.StatefulSetSpec"] = StatefulSet;
        rules["batch.v1.Job"] = Job;
        rules["batch.v1.PodFailurePolicyOnPodConditionsPattern"] = value => value.Default("status", "True");
        rules["batch.v1.CronJobSpec"] = value =>
        {
            value.Default("concurrencyPolicy", "Allow");
            value.Default("suspend", false);
            value.Default("successfulJobsHistoryLimit", 3);
            value.Default("failedJobsHistoryLimit", 1);
        };
        rules["autoscaling.v1.HorizontalPodAutoscalerSpec"] = value => value.Default("minReplicas", 1);
        rules["autoscaling.v2.HorizontalPodAutoscalerSpec"] = Autoscaler;
    }

    private static void Deployment(ApiObject spec)
    {
        spec.Default("replicas", 1);
        spec.Default("revisionHistoryLimit", 10);
        spec.Default("progressDeadlineSeconds", 600);
        var strategy = spec.GetOrAddObject("strategy");
        strategy.Default("type", "RollingUpdate");
        if (strategy.GetString("type") == "RollingUpdate")
        {
            var rolling = strategy.GetOrAddObject("rollingUpdate");
            rolling.Default("maxUnavailable", "25%");
            rolling.Default("maxSurge", "25%");
        }
    }

    private static void DaemonSet(ApiObject spec)
    {
        spec.Default("revisionHistoryLimit", 10);
        var strategy = spec.GetOrAddObject("updateStrategy");
        strategy.Default("type", "RollingUpdate");
        if (strategy.GetString("type") == "RollingUpdate")
        {
            var rolling = strategy.GetOrAddObject("rollingUpdate");
            rolling.Default("maxUnavailable", 1);
            rolling.Default("maxSurge", 0);
        }
    }

    private static void StatefulSet(ApiObject spec)
    {
        spec.Default("replicas", 1);
        spec.Default("revisionHistoryLimit", 10);
        spec.Default("podManagementPolicy", "OrderedReady");
        var strategy = spec.GetOrAddObject("updateStrategy");
        if (strategy["type"] is null)
        {
            strategy.Set("type", "RollingUpdate");
            strategy.GetOrAddObject("rollingUpdate");
        }

        if (strategy.GetString("type") == "RollingUpdate" && strategy.GetObject("rollingUpdate") is { } rolling)
        {
            rolling.Default("partition", 0);
        }

        var retention = spec.GetOrAddObject("persistentVolumeClaimRetentionPolicy");
        retention.Default("whenDeleted", "Retain");
        retention.Default("whenScaled", "Retain");
    }

    private static void Job(ApiObject job)
    {
        if (job.GetObject("spec") is { } spec)
        {
            JobSpec(spec);
        }

        if (job.Find("spec", "template", "metadata", "labels") is ApiObject { Count: > 0 } labels)
        {
            job.GetOrAddObject("metadata").Default("labels", labels.Clone());
        }
    }

    private static void JobSpec(ApiObject spec)
    {
        // Neither given: one pod, once. Only parallelism given: a work queue, without completions.
        if (spec["completions"] is null && spec["parallelism"] is null)
        {
            spec.Set("completions", 1);
        }

        spec.Default("parallelism", 1);
        spec.Default("backoffLimit", spec["backoffLimitPerIndex"] is null ? 6 : int.MaxValue);
        spec.Default("completionMode", "NonIndexed");
        spec.Default("suspend", false);
        spec.Default("manualSelector", false);
        spec.Default("podReplacementPolicy", spec["podFailurePolicy"] is null ? "TerminatingOrFailed" : "Failed");
    }

    private static void Autoscaler(ApiObject spec)
    {
        spec.Default("minReplicas", 1);
        if (spec["metrics"] is null)
        {
            spec.Set("metrics", ApiNode.Parse("""[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]"""));
        }

        if (spec.GetObject("behavior") is not { } behavior)
        {
            return;
        }

        var up = behavior.GetOrAddObject("scaleUp");
        up.Default("stabilizationWindowSeconds", 0);
        up.Default("selectPolicy", "Max");
        up.Default("policies", ApiNode.Parse("""[{"type":"Pods","value":4,"periodSeconds":15},{"type":"Percent","value":100,"periodSeconds":15}]"""));
        var down = behavior.GetOrAddObject("scaleDown");
        down.Default("selectPolicy", "Max");
        down.Default("policies", ApiNode.Parse("""[{"type":"Percent","value":100,"periodSeconds":15}]"""));
    }
}
