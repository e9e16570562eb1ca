using Microsoft.Extensions.Logging;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Client.LeaderElection;
using Trireme.Component.Health;
using Trireme.Component.Metrics;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers;

/// <summary>Runs the control loops: of all managers of a cluster the elected one acts, the others stand by with warm caches.</summary>
/// <remarks>
/// Informers run from the start and for as long as the process lives, so that taking over costs no list. A manager that loses its Lease
/// stops acting and campaigns again; the process ends only when told to, and then gives the Lease free.
/// </remarks>
public sealed class ControllerManager
{
    private readonly ControllerManagerOptions _options;
    private readonly IApiClient _client;
    private readonly ILoggerFactory _loggers;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly MetricsRegistry _registry;
    private readonly ControllerMetrics _metrics;
    private readonly InformerFactory _informers;
    private readonly List<EventRecorder> _recorders = [];
    private readonly List<IController> _controllers;
    private readonly LeaderElector? _elector;
    private volatile bool _leading;

    private ControllerManager(ControllerManagerOptions options, IApiClient client, ILoggerFactory loggers, TimeProvider time, MetricsRegistry? registry)
    {
        _options = options;
        _client = client;
        _loggers = loggers;
        _time = time;
        _logger = loggers.CreateLogger<ControllerManager>();
        _registry = registry ?? new MetricsRegistry();
        _metrics = new ControllerMetrics(_registry);
        var random = new Random();
        _informers = new InformerFactory(client, loggers, time, random);
        var context = new ControllerContext
        {
            Options = options,
            Client = client.InTerm(() => _elector?.Term),
            Informers = _informers,
            EventRecorder = Recorder,
            LoggerFactory = loggers,
            TimeProvider = time,
            NewRandom = () => new Random(random.Next()),
            Metrics = _metrics,
        };
        _controllers = ControllerTable.Create(context);
        if (options.LeaderElect)
        {
            _elector = new LeaderElector(
                client,
                new LeaderElectionOptions
                {
                    Namespace = options.LeaseNamespace,
                    Name = options.LeaseName,
                    Identity = LeaderElectionOptions.NewIdentity(Environment.MachineName),
                    LeaseDuration = options.LeaseDuration,
                    RenewDeadline = options.RenewDeadline,
                    RetryPeriod = options.RetryPeriod,
                },
                loggers.CreateLogger<LeaderElector>(),
                time);
        }
    }

    /// <summary>Runs until cancelled.</summary>
    /// <param name="options">Which controllers, and their settings.</param>
    /// <param name="client">Speaks for <c>system:kube-controller-manager</c>.</param>
    /// <param name="loggers">One category per controller.</param>
    /// <param name="time">Clock of everything.</param>
    /// <param name="cancellationToken">Ends the manager; the Lease is given free.</param>
    /// <param name="metrics">Where figures go; null for an own registry.</param>
    /// <exception cref="IOException">The health port is taken.</exception>
    public static Task RunAsync(
        ControllerManagerOptions options, IApiClient client, ILoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken, MetricsRegistry? metrics = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(loggers);
        ArgumentNullException.ThrowIfNull(time);
        return new ControllerManager(options, client, loggers, time, metrics).RunAsync(cancellationToken);
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        HealthServer? health = null;
        if (_options.HealthPort is { } port)
        {
            ProcessMetrics.AddTo(_registry);
            health = await HealthServer.StartAsync(
                new HealthServerOptions { BindAddress = _options.BindAddress, Port = port, UseTls = _options.HealthTls },
                [HealthCheck.Ping, new HealthCheck("leaderElection", () => null)],
                [new HealthCheck("leading-or-standby", () => _leading || _elector is not null ? null : "not started")],
                _registry,
                _loggers,
                _time,
                cancellationToken);
        }

        // Informers and recorders outlive the leading work, so that what it last recorded is still written.
        using var background = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var tasks = new List<Task> { _informers.RunAsync(background.Token) };
        tasks.AddRange(_recorders.Select(r => r.RunAsync(background.Token)));
        try
        {
            if (_elector is null)
            {
                await LeadAsync(cancellationToken);
            }
            else
            {
                await _elector.RunAsync(LeadAsync, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Told to stop.
        }
        finally
        {
            await background.CancelAsync();
            await Task.WhenAll(tasks);
            if (health is not null)
            {
                await health.DisposeAsync();
            }
        }
    }

    /// <summary>One term of leadership.</summary>
    private async Task LeadAsync(CancellationToken cancellationToken)
    {
        await _informers.WaitForSyncAsync(cancellationToken);
        _leading = true;
        _metrics.SetLeading(_options.LeaseName, true);
        _logger.LogInformation("Running {Count} controllers", _controllers.Count);
        using var term = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            var running = _controllers.Select(c => Task.Run(() => c.RunAsync(term.Token), CancellationToken.None)).ToList();

            // A controller ends only when told to. One that fails takes the term down, and the campaign starts over.
            await Task.WhenAny(running);
            await term.CancelAsync();
            await Task.WhenAll(running);
        }
        finally
        {
            _leading = false;
            _metrics.SetLeading(_options.LeaseName, false);
        }
    }

    private EventRecorder Recorder(string component)
    {
        var recorder = new EventRecorder(_client, component, null, _loggers.CreateLogger<EventRecorder>(), _time);
        _recorders.Add(recorder);
        return recorder;
    }
}
