using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Trireme.Component.Certificates;
using Trireme.Component.Lifetime;
using Trireme.Component.Metrics;

namespace Trireme.Component.Health;

/// <summary>Where a component answers for its health.</summary>
public sealed record HealthServerOptions
{
    public IPAddress BindAddress { get; init; } = IPAddress.Loopback;

    /// <summary>Port; 0 picks a free one, see <see cref="HealthServer.Port"/>.</summary>
    public required int Port { get; init; }

    /// <summary>HTTPS with a self-signed certificate made in memory, as Kubernetes' components do; false: plain HTTP.</summary>
    public bool UseTls { get; init; }
}

/// <summary>
/// The small server of a component: <c>/healthz</c>, <c>/livez</c>, <c>/readyz</c> (with <c>?verbose</c>, <c>?exclude=NAME</c> and a path per check)
/// and <c>/metrics</c>.
/// </summary>
public sealed class HealthServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private HealthServer(WebApplication app, int port) => (_app, Port) = (app, port);

    /// <summary>The port that it listens on.</summary>
    public int Port { get; }

    /// <summary>Starts to listen.</summary>
    /// <param name="options">Address and transport.</param>
    /// <param name="liveness">Checks of <c>/healthz</c> and <c>/livez</c>.</param>
    /// <param name="readiness">Checks of <c>/readyz</c>, besides those of liveness.</param>
    /// <param name="metrics">What <c>/metrics</c> shows.</param>
    /// <param name="loggers">Receives the causes of failed checks.</param>
    /// <param name="timeProvider">Clock of the certificate.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    /// <exception cref="IOException">The address cannot be bound.</exception>
    public static async Task<HealthServer> StartAsync(
        HealthServerOptions options,
        IReadOnlyList<HealthCheck> liveness,
        IReadOnlyList<HealthCheck> readiness,
        MetricsRegistry metrics,
        ILoggerFactory loggers,
        TimeProvider timeProvider,
        CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(options.BindAddress, options.Port, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                if (options.UseTls)
                {
                    listen.UseHttps(SelfSignedCertificate.Create(options.BindAddress, timeProvider));
                }
            });
        });
        var app = builder.Build();
        var log = loggers.CreateLogger("Health");
        var all = liveness.Concat(readiness).ToList();
        app.Run(http => AnswerAsync(http, liveness, all, metrics, log));
        await app.StartAsync(cancellationToken);
        var port = options.Port != 0 ? options.Port : app.Urls.Select(u => new Uri(u).Port).First();
        return new HealthServer(app, port);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }

    private static async Task AnswerAsync(HttpContext http, IReadOnlyList<HealthCheck> liveness, List<HealthCheck> all, MetricsRegistry metrics, ILogger log)
    {
        var path = http.Request.Path.Value ?? "/";
        if (path == "/metrics")
        {
            http.Response.ContentType = MetricsRegistry.ContentType;
            metrics.WriteTo(http.Response.BodyWriter);
            await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
            return;
        }

        var checks = path.StartsWith("/readyz", StringComparison.Ordinal) ? all : liveness;
        if (HealthEndpoint.TryRun(http.Request, checks) is not { } report)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        if (!report.IsHealthy)
        {
            log.LogWarning("Health check {Path} failed: {Failures}", path, string.Join("; ", report.Failures));
        }

        await HealthEndpoint.WriteAsync(http.Response, report);
    }
}
