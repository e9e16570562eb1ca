using Trireme.Api.Documents;

namespace Trireme.Api.Tables;

/// <summary>Cells of resource quotas.</summary>
internal static class QuotaCells
{
    public static string Usage(ApiObject quota, bool limits)
    {
        var hard = quota.Find("status", "hard")?.AsObject();
        var used = quota.Find("status", "used")?.AsObject();
        return string.Join(", ", (hard ?? [])
            .Where(h => h.Key.StartsWith("limits.", StringComparison.Ordinal) == limits)
            .OrderBy(h => h.Key, StringComparer.Ordinal)
            .Select(h => $"{h.Key}: {used?.GetString(h.Key) ?? "0"}/{CellFormulas.Text(h.Value)}"));
    }
}
