using Microsoft.Extensions.Logging;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Component.Health;
using Trireme.Component.Metrics;

namespace Trireme.Proxy;

/// <summary>The proxy process: services, routes and pod network of one node.</summary>
public static class ProxyHost
{
    /// <summary>Runs until cancelled. What is in force then stays in force: services outlive the proxy.</summary>
    public static async Task RunAsync(ProxyOptions options, IApiClient client, ILoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken)
    {
        var informers = new InformerFactory(client, loggers, time);
        var proxier = new Proxier(options, informers, new HostTools(loggers.CreateLogger<HostTools>()), time, loggers.CreateLogger<Proxier>());
        var metrics = new MetricsRegistry();
        ProcessMetrics.AddTo(metrics);
        await using var health = await HealthServer.StartAsync(
            new HealthServerOptions { BindAddress = options.HealthAddress, Port = options.HealthPort },
            [HealthCheck.Ping],
            [new HealthCheck("rules", () => proxier.NotReadyReason)],
            metrics,
            loggers,
            time,
            cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var informing = informers.RunAsync(stop.Token);
        try
        {
            await proxier.RunAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to stop.
        }
        finally
        {
            await stop.CancelAsync();
            await informing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
