using System.Text;

namespace Trireme.Component.Health;

/// <summary>Outcome of a set of checks, worded as Kubernetes words <c>/healthz</c>, <c>/livez</c> and <c>/readyz</c>.</summary>
/// <param name="IsHealthy">Whether every check that was not excluded holds.</param>
/// <param name="Text">Body of the answer: <c>ok</c>, or a line per check.</param>
/// <param name="Failures">Name and cause of each check that does not hold; for the log, not for the client.</param>
public sealed record HealthReport(bool IsHealthy, string Text, IReadOnlyList<string> Failures)
{
    /// <summary>Runs checks.</summary>
    /// <param name="endpoint">Name of the endpoint, for example <c>readyz</c>.</param>
    /// <param name="checks">The endpoint's checks, in order.</param>
    /// <param name="excluded">Names that the client asked to leave out.</param>
    /// <param name="verbose">Whether the client wants a line per check even when all is well.</param>
    public static HealthReport Run(string endpoint, IEnumerable<HealthCheck> checks, IReadOnlyCollection<string> excluded, bool verbose)
    {
        var text = new StringBuilder();
        var failures = new List<string>();
        var unknown = new HashSet<string>(excluded, StringComparer.Ordinal);
        foreach (var check in checks)
        {
            if (unknown.Remove(check.Name))
            {
                text.Append("[+]").Append(check.Name).Append(" excluded: ok\n");
            }
            else if (check.Check() is { } why)
            {
                // The cause may hold addresses and internals: the client learns only that it failed.
                text.Append("[-]").Append(check.Name).Append(" failed: reason withheld\n");
                failures.Add($"{check.Name}: {why}");
            }
            else
            {
                text.Append("[+]").Append(check.Name).Append(" ok\n");
            }
        }

        if (unknown.Count > 0)
        {
            text.Append("warn: some health checks cannot be excluded: no matches for ")
                .AppendJoin(',', unknown.Order(StringComparer.Ordinal).Select(u => $"\"{u}\"")).Append('\n');
        }

        if (failures.Count > 0)
        {
            return new HealthReport(false, text.Append(endpoint).Append(" check failed\n").ToString(), failures);
        }

        return new HealthReport(true, verbose ? text.Append(endpoint).Append(" check passed\n").ToString() : "ok", failures);
    }
}
