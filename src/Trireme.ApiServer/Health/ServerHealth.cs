using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Trireme.ApiServer.Pipeline;
using Trireme.Component.Health;

namespace Trireme.ApiServer.Health;

/// <summary>
/// Answers <c>/healthz</c>, <c>/livez</c> and <c>/readyz</c>. Liveness says that the process works and nothing of the store, else a supervisor would kill
/// servers that still answer reads when the quorum is lost; readiness says whether clients should come.
/// </summary>
internal sealed class ServerHealth(StoreProbe store, IReadOnlyList<HealthCheck> readiness, ILogger<ServerHealth> log)
{
    private static readonly string[] s_endpoints = ["/healthz", "/livez", "/readyz"];

    private readonly List<HealthCheck> _live = [HealthCheck.Ping];
    private readonly List<HealthCheck> _ready = [HealthCheck.Ping, store.Check, .. readiness];

    /// <summary>Whether all checks of readiness hold now.</summary>
    public bool IsReady => _ready.TrueForAll(c => c.Check() is null);

    /// <summary>The paths that are answered here.</summary>
    public IEnumerable<string> Paths => s_endpoints.SelectMany(e => _ready.Select(c => $"{e}/{c.Name}").Prepend(e));

    public async Task HandleAsync(HttpContext http, RequestInfo info)
    {
        // A single check is answered below each endpoint, also where it does not count.
        var checks = info.Path.TrimEnd('/') == "/livez" ? _live : _ready;
        if (HealthEndpoint.TryRun(http.Request, checks) is not { } report)
        {
            await PageNotFound.WriteAsync(http);
            return;
        }

        if (!report.IsHealthy)
        {
            log.LogDebug("Health check {Path} failed: {Failures}", info.Path, string.Join("; ", report.Failures));
        }

        await HealthEndpoint.WriteAsync(http.Response, report);
    }
}
