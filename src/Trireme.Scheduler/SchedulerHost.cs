using Microsoft.Extensions.Logging;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Client.LeaderElection;
using Trireme.Component.Health;
using Trireme.Component.Metrics;
using Trireme.Scheduler.Api;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;

namespace Trireme.Scheduler;

/// <summary>
/// The scheduler as a component: assigns pending pods to nodes while it holds the Lease, and keeps its picture of the cluster up to date while another does, so that it
/// can act the moment it becomes leader.
/// </summary>
public static class SchedulerHost
{
    /// <summary>Runs until cancelled. Losing the Lease stops the scheduling, not the process.</summary>
    /// <param name="options">How to run.</param>
    /// <param name="client">The API.</param>
    /// <param name="informers">Shared with other components of the process, which then also run them; null makes and runs its own.</param>
    /// <param name="loggerFactory">Logs.</param>
    /// <param name="timeProvider">Clock.</param>
    /// <param name="cancellationToken">Stops: bindings under way are ended and the Lease is released.</param>
    /// <exception cref="IOException">The health port is taken.</exception>
    public static async Task RunAsync(
        SchedulerOptions options,
        IApiClient client,
        IInformerFactory? informers,
        ILoggerFactory loggerFactory,
        TimeProvider timeProvider,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var logger = loggerFactory.CreateLogger("Trireme.Scheduler");
        var random = new Random(options.Seed ?? (int)timeProvider.GetTimestamp());
        var ownInformers = informers is null ? new InformerFactory(client, loggerFactory, timeProvider) : null;
        informers ??= ownInformers!;

        // 1. The parts, and what feeds them.
        var events = new EventRecorder(client, options.SchedulerName, null, logger, timeProvider);
        var elector = Elector(options, client, logger, timeProvider);
        var writer = new ApiPodWriter(client.InTerm(() => elector?.Term), events, options.SchedulerName, timeProvider, logger);
        var lister = new InformerClusterLister(informers);
        var volumes = new InformerVolumeLister(informers);
        var framework = new SchedulingFramework(handle => DefaultPlugins.Create(handle, lister, volumes, writer, random, timeProvider), new Nominator());
        var cache = new SchedulerCache(timeProvider);
        var queueOptions = new SchedulingQueueOptions
        {
            InitialBackoff = options.PodInitialBackoff,
            MaxBackoff = options.PodMaxBackoff,
            MaxTimeInUnschedulable = options.PodMaxInUnschedulablePods,
        };
        using var queue = new SchedulingQueue(framework, queueOptions, timeProvider);
        var registry = new MetricsRegistry();
        var metrics = Metrics(registry, queue, options);
        using var scheduleOne = new ScheduleOne(framework, queue, cache, writer, metrics, options, random, timeProvider, logger);
        new EventHandlers(cache, queue, options.SchedulerName).AddTo(informers);

        // 2. Answer for our health before the API can be reached: a server may start after its scheduler.
        await using var health = await StartHealthAsync(options, informers, registry, loggerFactory, timeProvider, cancellationToken);

        // 3. Watch, whoever leads.
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var background = new List<Task> { events.RunAsync(stopping.Token) };
        if (ownInformers is not null)
        {
            background.Add(ownInformers.RunAsync(stopping.Token));
        }

        try
        {
            await informers.WaitForSyncAsync(cancellationToken);
            logger.LogInformation("Scheduler {Name} knows {Nodes} nodes and {Pods} pods on them", options.SchedulerName, cache.NodeCount, cache.PodCount);

            // 4. Schedule, while we may.
            await (elector is null ? scheduleOne.RunAsync(cancellationToken) : elector.RunAsync(scheduleOne.RunAsync, cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
        finally
        {
            await stopping.CancelAsync();
            await Task.WhenAll(background);
        }
    }

    private static LeaderElector? Elector(SchedulerOptions options, IApiClient client, ILogger logger, TimeProvider timeProvider)
    {
        if (!options.LeaderElect)
        {
            return null;
        }

        var election = new LeaderElectionOptions
        {
            Namespace = options.LeaderElectResourceNamespace,
            Name = options.LeaderElectResourceName,
            Identity = options.Identity ?? LeaderElectionOptions.NewIdentity(Environment.MachineName),
            LeaseDuration = options.LeaderElectLeaseDuration,
            RenewDeadline = options.LeaderElectRenewDeadline,
            RetryPeriod = options.LeaderElectRetryPeriod,
        };
        return new LeaderElector(client, election, logger, timeProvider);
    }

    private static SchedulerMetrics Metrics(MetricsRegistry registry, SchedulingQueue queue, SchedulerOptions options)
    {
        ProcessMetrics.AddTo(registry);
        var metrics = new SchedulerMetrics(registry) { Profile = options.SchedulerName };
        registry.OnScrape(() =>
        {
            var counts = queue.Counts;
            metrics.PendingPods.With("active").Set(counts.Active);
            metrics.PendingPods.With("backoff").Set(counts.Backoff);
            metrics.PendingPods.With("unschedulable").Set(counts.Unschedulable);
        });
        return metrics;
    }

    private static async Task<HealthServer?> StartHealthAsync(
        SchedulerOptions options,
        IInformerFactory informers,
        MetricsRegistry registry,
        ILoggerFactory loggerFactory,
        TimeProvider timeProvider,
        CancellationToken cancellationToken)
    {
        if (options.SecurePort is not { } port)
        {
            return null;
        }

        var pods = informers.For<Trireme.Api.Models.Core.V1.Pod>();
        var nodes = informers.For<Trireme.Api.Models.Core.V1.Node>();
        return await HealthServer.StartAsync(
            new HealthServerOptions { BindAddress = options.BindAddress, Port = port, UseTls = true },
            [HealthCheck.Ping],
            [new HealthCheck("informer-sync", () => pods.HasSynced && nodes.HasSynced ? null : "nodes and pods are not known yet")],
            registry,
            loggerFactory,
            timeProvider,
            cancellationToken);
    }
}
