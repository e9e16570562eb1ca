using Trireme.Api.Documents;
using Trireme.Api.Selectors;

namespace Trireme.Api.Validation;

/// <summary>Rules of the kinds that run pods from a template.</summary>
internal static class WorkloadValidation
{
    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    public static void Deployment(ApiDocument deployment, List<FieldError> errors)
    {
        var spec = deployment.Spec ?? [];
        Checks.RequireNotNegative(spec, "replicas", SpecPath, errors);
        ValidateSelectorAndTemplate(spec, "deployment", errors);
        RequireRestartAlways(spec, errors);
        var strategy = spec.GetObject("strategy") ?? [];
        var path = SpecPath.Child("strategy");
        if (strategy.GetString("type") == "Recreate" && strategy["rollingUpdate"] is not null)
        {
            errors.Add(FieldError.Forbidden(path.Child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"));
        }
        else if (strategy.GetString("type") == "RollingUpdate")
        {
            var rolling = strategy.GetObject("rollingUpdate") ?? [];
            Checks.ValidateCountOrPercent(rolling["maxUnavailable"], path.Child("rollingUpdate", "maxUnavailable"), errors, capAtHundred: true);
            Checks.ValidateCountOrPercent(rolling["maxSurge"], path.Child("rollingUpdate", "maxSurge"), errors);
            if (Checks.IsZero(rolling["maxUnavailable"]) && Checks.IsZero(rolling["maxSurge"]))
            {
                errors.Add(FieldError.Invalid(path.Child("rollingUpdate", "maxUnavailable"), rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0"));
            }
        }

        Checks.RequireNotNegative(spec, "minReadySeconds", SpecPath, errors);
        Checks.RequireNotNegative(spec, "revisionHistoryLimit", SpecPath, errors);
        if (spec.GetInt64("progressDeadlineSeconds") is { } deadline)
        {
            Checks.RequireNotNegative(spec, "progressDeadlineSeconds", SpecPath, errors);
            if (deadline <= (spec.GetInt64("minReadySeconds") ?? 0))
            {
                errors.Add(FieldError.Invalid(SpecPath.Child("progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds"));
            }
        }
    }

    public static void ReplicaSet(ApiDocument set, List<FieldError> errors)
    {
        var spec = set.Spec ?? [];
        Checks.RequireNotNegative(spec, "replicas", SpecPath, errors);
        Checks.RequireNotNegative(spec, "minReadySeconds", SpecPath, errors);
        ValidateSelectorAndTemplate(spec, "deployment", errors);
        RequireRestartAlways(spec, errors);
    }

    public static void DaemonSet(ApiDocument set, List<FieldError> errors)
    {
        var spec = set.Spec ?? [];
        Checks.RequireNotNegative(spec, "minReadySeconds", SpecPath, errors);
        Checks.RequireNotNegative(spec, "revisionHistoryLimit", SpecPath, errors);
        ValidateSelectorAndTemplate(spec, "daemonset", errors);
        RequireRestartAlways(spec, errors);
        if (spec.Find("template", "spec", "activeDeadlineSeconds") is not null)
        {
            errors.Add(FieldError.Forbidden(SpecPath.Child("template", "spec").Child("activeDeadlineSeconds"), "activeDeadlineSeconds in DaemonSet is not Supported"));
        }

        if (spec.Find("updateStrategy", "rollingUpdate") is ApiObject rolling)
        {
            var path = SpecPath.Child("updateStrategy", "rollingUpdate");
            var unavailable = !Checks.IsZero(rolling["maxUnavailable"]) && rolling["maxUnavailable"] is not null;
            var surge = !Checks.IsZero(rolling["maxSurge"]) && rolling["maxSurge"] is not null;
            Checks.ValidateCountOrPercent(rolling["maxUnavailable"], path.Child("maxUnavailable"), errors, capAtHundred: true);
            Checks.ValidateCountOrPercent(rolling["maxSurge"], path.Child("maxSurge"), errors, capAtHundred: true);
            if (unavailable && surge)
            {
                errors.Add(FieldError.Invalid(path.Child("maxSurge"), rolling["maxSurge"], "may not be set when maxUnavailable is non-zero"));
            }
            else if (!unavailable && !surge)
            {
                errors.Add(FieldError.Required(path.Child("maxUnavailable"), "cannot be 0 when maxSurge is 0"));
            }
        }
    }

    public static void StatefulSet(ApiDocument set, List<FieldError> errors)
    {
        var spec = set.Spec ?? [];
        Checks.RequireNotNegative(spec, "replicas", SpecPath, errors);
        Checks.RequireNotNegative(spec, "minReadySeconds", SpecPath, errors);
        Checks.RequireNotNegative(spec, "revisionHistoryLimit", SpecPath, errors);
        ValidateSelectorAndTemplate(spec, "statefulset", errors);
        RequireRestartAlways(spec, errors);
        if (spec.Find("updateStrategy", "rollingUpdate") is ApiObject rolling)
        {
            Checks.RequireNotNegative(rolling, "partition", SpecPath.Child("updateStrategy", "rollingUpdate"), errors);
            if (spec.Find("updateStrategy", "type")?.AsString() == "OnDelete")
            {
                errors.Add(FieldError.Invalid(
                    SpecPath.Child("updateStrategy", "rollingUpdate"), rolling, "only allowed for updateStrategy 'RollingUpdate'"));
            }
        }
    }

    public static void ReplicationController(ApiDocument controller, List<FieldError> errors)
    {
        var spec = controller.Spec ?? [];
        Checks.RequireNotNegative(spec, "replicas", SpecPath, errors);
        var selector = spec.GetObject("selector");
        if (selector is not { Count: > 0 })
        {
            errors.Add(FieldError.Required(SpecPath.Child("selector")));
        }

        var template = spec.GetObject("template");
        PodValidation.ValidateTemplate(template, SpecPath.Child("template"), errors);
        RequireRestartAlways(spec, errors);
        var labels = template?.Find("metadata", "labels")?.AsObject();
        if (selector is not null && !selector.All(s => labels?.GetString(s.Key) == s.Value.AsString()))
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("template", "metadata").Child("labels"), labels ?? [], "`selector` does not match template `labels`"));
        }
    }

    public static void Job(ApiDocument job, List<FieldError> errors) => JobSpec(job.Spec ?? [], SpecPath, hasSelector: true, errors);

    public static void CronJob(ApiDocument job, List<FieldError> errors)
    {
        var spec = job.Spec ?? [];
        if (Checks.RequireString(spec, "schedule", SpecPath, errors))
        {
            var schedule = spec.GetString("schedule")!;
            if (schedule.Contains("TZ", StringComparison.Ordinal))
            {
                errors.Add(FieldError.Invalid(SpecPath.Child("schedule"), schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"));
            }
            else if (!schedule.StartsWith('@') && schedule.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length != 5)
            {
                var count = schedule.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
                errors.Add(FieldError.Invalid(SpecPath.Child("schedule"), schedule, $"expected exactly 5 fields, found {count}: [{schedule}]"));
            }
        }

        foreach (var field in (ReadOnlySpan<string>)["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"])
        {
            Checks.RequireNotNegative(spec, field, SpecPath, errors);
        }

        if (spec.GetString("timeZone") is { } zone && !TimeZoneInfo.TryFindSystemTimeZoneById(zone, out _))
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("timeZone"), zone, $"unknown time zone {zone}"));
        }

        JobSpec(spec.Find("jobTemplate", "spec")?.AsObject() ?? [], SpecPath.Child("jobTemplate", "spec"), hasSelector: false, errors);
    }

    private static void JobSpec(ApiObject spec, FieldPath path, bool hasSelector, List<FieldError> errors)
    {
        foreach (var field in (ReadOnlySpan<string>)["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"])
        {
            Checks.RequireNotNegative(spec, field, path, errors);
        }

        if (spec.GetString("completionMode") == "Indexed" && spec["completions"] is null)
        {
            errors.Add(FieldError.Required(path.Child("completions"), "when completion mode is Indexed"));
        }

        var template = spec.GetObject("template");
        PodValidation.ValidateTemplate(template, path.Child("template"), errors);
        var restart = template?.Find("spec", "restartPolicy")?.AsString();
        if (restart is null or "Always")
        {
            errors.Add(FieldError.Required(path.Child("template", "spec").Child("restartPolicy"), "valid values: \"OnFailure\", \"Never\""));
        }

        if (hasSelector && spec.GetObject("selector") is { } selector)
        {
            Checks.ValidateLabelSelector(selector, path.Child("selector"), errors);
            CheckTemplateLabels(selector, template, path, errors);
        }
    }

    private static void ValidateSelectorAndTemplate(ApiObject spec, string kind, List<FieldError> errors)
    {
        var selector = spec.GetObject("selector");
        if (selector is null)
        {
            errors.Add(FieldError.Required(SpecPath.Child("selector")));
        }
        else
        {
            Checks.ValidateLabelSelector(selector, SpecPath.Child("selector"), errors);
            if (selector.GetObject("matchLabels") is not { Count: > 0 } && selector.GetArray("matchExpressions") is not { Count: > 0 })
            {
                errors.Add(FieldError.Invalid(SpecPath.Child("selector"), selector, $"empty selector is invalid for {kind}"));
            }
        }

        var template = spec.GetObject("template");
        if (selector is not null)
        {
            CheckTemplateLabels(selector, template, SpecPath, errors);
        }
        else
        {
            // No selector selects nothing, not even the template's own pods.
            errors.Add(Unselected(template, SpecPath));
        }

        PodValidation.ValidateTemplate(template, SpecPath.Child("template"), errors);
    }

    private static void CheckTemplateLabels(ApiObject selector, ApiObject? template, FieldPath path, List<FieldError> errors)
    {
        var labels = template?.Find("metadata", "labels")?.AsObject();
        try
        {
            if (!LabelRequirements.Of(selector).Matches(labels))
            {
                errors.Add(Unselected(template, path));
            }
        }
        catch (FormatException)
        {
            // The selector itself is invalid and has been reported.
        }
    }

    private static FieldError Unselected(ApiObject? template, FieldPath path) => FieldError.Invalid(
        path.Child("template", "metadata").Child("labels"), template?.Find("metadata", "labels")?.AsObject(), "`selector` does not match template `labels`");

    private static void RequireRestartAlways(ApiObject spec, List<FieldError> errors)
    {
        if (spec.Find("template", "spec", "restartPolicy")?.AsString() is { } policy and not "Always")
        {
            errors.Add(FieldError.NotSupported(SpecPath.Child("template", "spec").Child("restartPolicy"), policy, "Always"));
        }
    }
}
