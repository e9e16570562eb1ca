using System.Globalization;
using Trireme.Api.Documents;
using Trireme.Api.Models;

namespace Trireme.Api.Tables;

/// <summary>Cells of pods: what <c>kubectl get pods</c> says of their state.</summary>
internal static class PodCells
{
    public static string Ready(ApiObject pod)
    {
        var restartable = RestartableInitContainers(pod);
        var total = (pod.Find("spec", "containers")?.AsArray()?.Count ?? 0) + restartable.Count;
        var ready = Statuses(pod, "containerStatuses").Count(s => IsReady(s) && s.Find("state", "running") is not null)
            + Statuses(pod, "initContainerStatuses").Count(s => restartable.Contains(s.GetString("name") ?? "") && s.GetBoolean("started") == true && IsReady(s));
        return string.Create(CultureInfo.InvariantCulture, $"{ready}/{total}");
    }

    /// <summary>
    /// The first of: an unfinished init container, a waiting or ended container, the phase; overruled by deletion.
    /// </summary>
    public static string Status(ApiObject pod)
    {
        var phase = pod.Find("status", "phase")?.AsString() ?? "";
        var ownReason = pod.Find("status", "reason")?.AsString() ?? "";
        var status = ownReason.Length > 0 ? ownReason : phase;
        var conditions = pod.Find("status", "conditions")?.AsArray();
        if (ComputedCells.Condition(conditions, "PodScheduled")?.GetString("reason") == "SchedulingGated")
        {
            status = "SchedulingGated";
        }

        var initializing = InitStatus(pod);
        if (initializing is not null)
        {
            status = initializing;
        }

        if (initializing is null || ComputedCells.Condition(conditions, "Initialized")?.GetString("status") == "True")
        {
            status = ContainerStatus(pod, status, conditions);
        }

        if (pod.Find("metadata", "deletionTimestamp") is not null)
        {
            status = ownReason == "NodeLost" ? "Unknown" : phase is "Succeeded" or "Failed" ? status : "Terminating";
        }

        return status;
    }

    public static ApiNode Restarts(ApiObject pod, DateTimeOffset now)
    {
        var restartable = RestartableInitContainers(pod);
        var initStatuses = Statuses(pod, "initContainerStatuses").ToList();
        var counted = InitStatus(pod) is not null && ComputedCells.Condition(pod.Find("status", "conditions")?.AsArray(), "Initialized")?.GetString("status") != "True"
            ? initStatuses
            : [.. initStatuses.Where(s => restartable.Contains(s.GetString("name") ?? "")), .. Statuses(pod, "containerStatuses")];
        var restarts = counted.Sum(s => s.GetInt64("restartCount") ?? 0);
        DateTimeOffset? last = null;
        foreach (var status in counted)
        {
            if (status.Find("lastState", "terminated", "finishedAt")?.AsString() is { } text && KubernetesTime.TryParse(text, out var time) && (last is null || time > last))
            {
                last = time;
            }
        }

        return restarts > 0 && last is { } finished
            ? string.Create(CultureInfo.InvariantCulture, $"{restarts} ({HumanDuration.Format(now - finished)} ago)")
            : restarts.ToString(CultureInfo.InvariantCulture);
    }

    public static string ReadinessGates(ApiObject pod)
    {
        if (pod.Find("spec", "readinessGates") is not ApiArray { Count: > 0 } gates)
        {
            return "<none>";
        }

        var conditions = pod.Find("status", "conditions")?.AsArray();
        var met = gates.Objects.Count(g => ComputedCells.Condition(conditions, g.GetString("conditionType") ?? "")?.GetString("status") == "True");
        return string.Create(CultureInfo.InvariantCulture, $"{met}/{gates.Count}");
    }

    /// <summary>What the first unfinished init container is doing; null when all are done.</summary>
    private static string? InitStatus(ApiObject pod)
    {
        var restartable = RestartableInitContainers(pod);
        var index = 0;
        foreach (var status in Statuses(pod, "initContainerStatuses"))
        {
            var terminated = status.Find("state", "terminated")?.AsObject();
            var waiting = status.Find("state", "waiting", "reason")?.AsString();
            var isRestartable = restartable.Contains(status.GetString("name") ?? "");
            if ((terminated is not null && (terminated.GetInt64("exitCode") ?? 0) == 0) || (isRestartable && status.GetBoolean("started") == true))
            {
                index++;
                continue;
            }

            if (terminated is not null)
            {
                return "Init:" + Describe(terminated);
            }

            return waiting is { Length: > 0 } and not "PodInitializing"
                ? "Init:" + waiting
                : string.Create(CultureInfo.InvariantCulture, $"Init:{index}/{pod.Find("spec", "initContainers")?.AsArray()?.Count ?? 0}");
        }

        return null;
    }

    private static string ContainerStatus(ApiObject pod, string status, ApiArray? conditions)
    {
        var hasRunning = false;
        string? failed = null;
        foreach (var container in Statuses(pod, "containerStatuses").Reverse())
        {
            var terminated = container.Find("state", "terminated")?.AsObject();
            if (container.Find("state", "waiting", "reason")?.AsString() is { Length: > 0 } waiting)
            {
                status = waiting;
            }
            else if (terminated is not null)
            {
                status = Describe(terminated);
                failed = (terminated.GetInt64("exitCode") ?? 0) != 0 ? status : failed;
            }
            else if (IsReady(container) && container.Find("state", "running") is not null)
            {
                hasRunning = true;
            }
        }

        if (status == "Completed")
        {
            var isReady = ComputedCells.Condition(conditions, "Ready")?.GetString("status") == "True";
            status = hasRunning && isReady ? "Running" : failed ?? (hasRunning ? "NotReady" : status);
        }

        return status;
    }

    private static string Describe(ApiObject terminated)
    {
        if (terminated.GetString("reason") is { Length: > 0 } reason)
        {
            return reason;
        }

        return terminated.GetInt64("signal") is { } signal and not 0
            ? string.Create(CultureInfo.InvariantCulture, $"Signal:{signal}")
            : string.Create(CultureInfo.InvariantCulture, $"ExitCode:{terminated.GetInt64("exitCode") ?? 0}");
    }

    private static IEnumerable<ApiObject> Statuses(ApiObject pod, string field) => pod.Find("status", field)?.AsArray()?.Objects ?? [];

    private static bool IsReady(ApiObject status) => status.GetBoolean("ready") == true;

    private static HashSet<string> RestartableInitContainers(ApiObject pod) =>
        (pod.Find("spec", "initContainers")?.AsArray()?.Objects ?? [])
            .Where(c => c.GetString("restartPolicy") == "Always")
            .Select(c => c.GetString("name") ?? "")
            .ToHashSet(StringComparer.Ordinal);
}
