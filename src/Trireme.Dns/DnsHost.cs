using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Component.Health;
using Trireme.Component.Metrics;
using Trireme.Dns.Plugins.Cache;
using Trireme.Dns.Plugins.Errors;
using Trireme.Dns.Plugins.Forward;
using Trireme.Dns.Plugins.Kubernetes;
using Trireme.Dns.Transport;
using Trireme.Dns.Wire;

namespace Trireme.Dns;

/// <summary>
/// The cluster DNS server as a component. It answers from its own copy of the cluster's services and endpoints: a dead API costs it news, not answers, and
/// with a cache directory that holds across a restart.
/// </summary>
public static class DnsHost
{
    /// <summary>Runs until cancelled.</summary>
    /// <param name="options">How to run.</param>
    /// <param name="client">The API.</param>
    /// <param name="informers">Shared with other components of the process, which then also run them; null makes and runs its own.</param>
    /// <param name="loggerFactory">Logs.</param>
    /// <param name="timeProvider">Clock.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="SocketException">An address cannot be bound.</exception>
    /// <exception cref="FormatException">The cluster domain is no name.</exception>
    public static async Task RunAsync(
        DnsOptions options,
        IApiClient client,
        IInformerFactory? informers,
        ILoggerFactory loggerFactory,
        TimeProvider timeProvider,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var logger = loggerFactory.CreateLogger("Trireme.Dns");
        var random = new Random(options.Seed ?? (int)timeProvider.GetTimestamp());
        var zone = DnsName.Parse(options.ClusterDomain);
        var metrics = new MetricsRegistry();
        ProcessMetrics.AddTo(metrics);

        // 1. The records: those saved by a former run first, the API's as soon as it answers.
        var ownInformers = informers is null ? new InformerFactory(client, loggerFactory, timeProvider) : null;
        var store = new RecordStore();
        using var controller = new RecordController(
            store, informers ?? ownInformers!, zone, (uint)options.Ttl, options.CacheDirectory, timeProvider, logger);
        controller.Restore();

        // 2. The chain; its order is explained there.
        var forward = new ForwardPlugin(Upstreams(options, logger), timeProvider, logger);
        var loop = new LoopPlugin(forward, random, logger);
        var chain = new Chain(
        [
            new ErrorsPlugin(metrics, timeProvider, logger),
            loop,
            new KubernetesPlugin(store, zone, (uint)options.Ttl, (uint)options.NegativeTtl, () => controller.IsReady, random),
            new CachePlugin(new CacheOptions { MaxTtl = options.CacheTtl, MaxNegativeTtl = options.CacheTtl }, metrics, timeProvider, () => forward.AllAreDown),
            forward,
        ]);

        // 3. Listen, before the API is reached: names outside of the cluster are answered all along.
        var handler = new QueryHandler(chain);
        var udp = new List<UdpServer>();
        var tcp = new List<TcpServer>();
        try
        {
            foreach (var address in options.Listen)
            {
                udp.Add(new UdpServer(address, handler, logger));
                tcp.Add(new TcpServer(udp[^1].LocalEndPoint, handler, timeProvider, logger));
                logger.LogInformation("DNS for {Zone} listens on {Address}", options.ClusterDomain, udp[^1].LocalEndPoint);
            }

            await using var health = await StartHealthAsync(options, controller, metrics, loggerFactory, timeProvider, cancellationToken);
            var work = new List<Func<CancellationToken, Task>> { controller.RunAsync, forward.ProbeAsync, token => loop.ProbeAsync(timeProvider, token) };
            work.AddRange(udp.Select(u => (Func<CancellationToken, Task>)u.RunAsync));
            work.AddRange(tcp.Select(t => (Func<CancellationToken, Task>)t.RunAsync));
            if (ownInformers is not null)
            {
                work.Add(ownInformers.RunAsync);
            }

            await RunTogetherAsync(work, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
        finally
        {
            udp.ForEach(u => u.Dispose());
            tcp.ForEach(t => t.Dispose());
        }
    }

    /// <summary>Runs until cancelled, or until one part fails: half a server would look as if it were a whole one.</summary>
    private static async Task RunTogetherAsync(List<Func<CancellationToken, Task>> parts, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAll(parts.Select(GuardAsync));

        async Task GuardAsync(Func<CancellationToken, Task> part)
        {
            try
            {
                await part(stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Stopping.
            }
            catch
            {
                await stop.CancelAsync();
                throw;
            }
        }
    }

    private static List<IUpstream> Upstreams(DnsOptions options, ILogger logger)
    {
        if (options.Upstreams is { } given)
        {
            return [.. given.Select(u => new Upstream(u))];
        }

        try
        {
            return [.. ResolvConf.Parse(File.ReadAllText(ResolvConf.DefaultPath)).Select(u => new Upstream(u))];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            logger.LogWarning("No upstream servers: {Reason}", exception.Message);
            return [];
        }
    }

    private static async Task<HealthServer?> StartHealthAsync(
        DnsOptions options,
        RecordController controller,
        MetricsRegistry metrics,
        ILoggerFactory loggerFactory,
        TimeProvider timeProvider,
        CancellationToken cancellationToken)
    {
        if (options.HealthPort is not { } port)
        {
            return null;
        }

        return await HealthServer.StartAsync(
            new HealthServerOptions { BindAddress = options.HealthAddress, Port = port },
            [HealthCheck.Ping],
            [new HealthCheck("kubernetes", () => controller.IsReady ? null : "services and endpoints are not known yet")],
            metrics,
            loggerFactory,
            timeProvider,
            cancellationToken);
    }
}
