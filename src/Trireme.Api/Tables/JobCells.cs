using System.Globalization;
using Trireme.Api.Documents;
using Trireme.Api.Models;

namespace Trireme.Api.Tables;

/// <summary>Cells of jobs.</summary>
internal static class JobCells
{
    public static string Status(ApiObject job)
    {
        var conditions = job.Find("status", "conditions")?.AsArray();
        bool Is(string type) => ComputedCells.Condition(conditions, type)?.GetString("status") == "True";
        if (Is("Complete"))
        {
            return "Complete";
        }

        if (Is("Failed"))
        {
            return "Failed";
        }

        if (job.Find("metadata", "deletionTimestamp") is not null)
        {
            return "Terminating";
        }

        foreach (var type in (ReadOnlySpan<string>)["Suspended", "FailureTarget", "SuccessCriteriaMet"])
        {
            if (Is(type))
            {
                return type;
            }
        }

        return "Running";
    }

    public static string Completions(ApiObject job)
    {
        var succeeded = ComputedCells.Number(job.Find("status", "succeeded"));
        if (job.Find("spec", "completions")?.AsInt64() is { } wanted)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{succeeded}/{wanted}");
        }

        var parallelism = job.Find("spec", "parallelism")?.AsInt64() ?? 0;
        return parallelism > 1 ? string.Create(CultureInfo.InvariantCulture, $"{succeeded}/1 of {parallelism}") : $"{succeeded}/1";
    }

    public static ApiNode Duration(ApiObject job, DateTimeOffset now)
    {
        if (job.Find("status", "startTime")?.AsString() is not { } start || !KubernetesTime.TryParse(start, out var from))
        {
            return ApiScalar.EmptyString;
        }

        var end = job.Find("status", "completionTime")?.AsString() is { } text && KubernetesTime.TryParse(text, out var time) ? time : now;
        return HumanDuration.Format(end - from);
    }
}
