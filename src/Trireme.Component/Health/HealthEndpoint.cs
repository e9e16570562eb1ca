using Microsoft.AspNetCore.Http;

namespace Trireme.Component.Health;

/// <summary>Requests for <c>/healthz</c>, <c>/livez</c>, <c>/readyz</c> and a path per check below them.</summary>
public static class HealthEndpoint
{
    private static readonly string[] s_endpoints = ["healthz", "livez", "readyz"];

    /// <summary>Runs what the request asks for; null when its path is no health endpoint or names no check.</summary>
    public static HealthReport? TryRun(HttpRequest request, IReadOnlyList<HealthCheck> checks)
    {
        var path = (request.Path.Value ?? "").Trim('/');
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        var endpoint = slash < 0 ? path : path[..slash];
        if (!s_endpoints.Contains(endpoint))
        {
            return null;
        }

        if (slash >= 0)
        {
            var name = path[(slash + 1)..];
            var one = checks.Where(c => c.Name == name).ToList();
            if (one.Count == 0)
            {
                return null;
            }

            return one[0].Check() is { } why
                ? new HealthReport(false, $"internal server error: {why}", [$"{name}: {why}"])
                : new HealthReport(true, "ok", []);
        }

        var excluded = request.Query["exclude"].Where(e => !string.IsNullOrEmpty(e)).SelectMany(e => e!.Split(',')).ToList();
        return HealthReport.Run(endpoint, checks, excluded, request.Query.ContainsKey("verbose"));
    }

    /// <summary>Answers 200 or 500 with the report's text.</summary>
    public static Task WriteAsync(HttpResponse response, HealthReport report)
    {
        response.StatusCode = report.IsHealthy ? StatusCodes.Status200OK : StatusCodes.Status500InternalServerError;
        response.ContentType = "text/plain; charset=utf-8";
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-cache, private";
        return response.WriteAsync(report.Text, response.HttpContext.RequestAborted);
    }
}
