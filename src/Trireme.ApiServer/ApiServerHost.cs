using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Trireme.ApiServer.Audit;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Bootstrap;
using Trireme.ApiServer.Connect;
using Trireme.ApiServer.Discovery;
using Trireme.ApiServer.FlowControl;
using Trireme.ApiServer.Health;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Protobuf;
using Trireme.Component.Certificates;
using Trireme.Component.Health;
using Trireme.Component.Lifetime;
using Trireme.Component.Metrics;
using Trireme.Storage;
using Yarp.ReverseProxy.Forwarder;

namespace Trireme.ApiServer;

/// <summary>
/// One API server: a TLS listener, the pipeline, and the loops beside it. Servers of a cluster are all active; they share nothing but the store.
/// </summary>
/// <remarks>
/// The pipeline, in order:
/// <code>
/// render -> recover -> balance -> authenticate -> audit -> deadline -> impersonate -> flow control -> authorize -> decode -> dispatch -> resources | connect | reviews | discovery
/// </code>
/// Shutdown, once <see cref="RunAsync"/> is cancelled:
/// <list type="number">
/// <item>readiness fails and the server leaves the endpoints of <c>default/kubernetes</c>, while it serves on for <see cref="ApiServerOptions.ShutdownDelay"/>;</item>
/// <item>watches and streams end cleanly and connections are asked to close, so that clients go to another server;</item>
/// <item>requests that run get <see cref="ApiServerOptions.ShutdownGrace"/> to finish.</item>
/// </list>
/// </remarks>
public sealed class ApiServerHost
{
    private readonly ApiServerOptions _options;
    private readonly IRevisionedStore _store;
    private readonly IResourceRegistry _registry;
    private readonly MetricsRegistry _metrics;
    private readonly ILoggerFactory _loggers;
    private readonly TimeProvider _timeProvider;
    private readonly Random _random;
    private readonly TaskCompletionSource<int> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _shutdown;

    /// <summary>Wires nothing yet; see <see cref="RunAsync"/>.</summary>
    /// <param name="options">What the server needs to know.</param>
    /// <param name="store">The store, which the caller owns.</param>
    /// <param name="registry">Resources over the store, which the caller owns; the host runs its caches.</param>
    /// <param name="metrics">What <c>/metrics</c> shows.</param>
    /// <param name="loggers">Log of every part.</param>
    /// <param name="timeProvider">Clock of every part.</param>
    /// <param name="random">Chance (GOAWAY, choice of endpoints); null for an unseeded one.</param>
    public ApiServerHost(
        ApiServerOptions options, IRevisionedStore store, IResourceRegistry registry, MetricsRegistry metrics, ILoggerFactory loggers, TimeProvider timeProvider, Random? random = null)
    {
        (_options, _store, _registry, _metrics, _loggers, _timeProvider, _random) = (options, store, registry, metrics, loggers, timeProvider, random ?? new Random());
    }

    /// <summary>The port, once the server listens; fails with the cause when it cannot.</summary>
    public Task<int> Listening => _listening.Task;

    /// <summary>Completes when <c>/readyz</c> has succeeded for the first time: caches filled, bootstrap objects there.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Serves until cancelled, then shuts down as described above.</summary>
    /// <exception cref="IOException">An address cannot be bound, or a file of the options cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file of the options holds no such key or certificate.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ServeAsync(cancellationToken);
        }
        catch (Exception e)
        {
            _listening.TrySetException(e);
            throw;
        }
        finally
        {
            _listening.TrySetCanceled(CancellationToken.None);
            _ready.TrySetCanceled(CancellationToken.None);
        }
    }

    private async Task ServeAsync(CancellationToken stopping)
    {
        using var draining = new CancellationTokenSource();
        var certificate = new CertificateFiles(_options.TlsCertificateFile, _options.TlsPrivateKeyFile, _timeProvider, Log<CertificateFiles>());
        var clientAuthorities = Authorities(_options.ClientCaFile);
        var keys = Authn.ServiceAccountKeys.Load(_options.ServiceAccountKeyFiles, _options.ServiceAccountSigningKeyFile);
        var audiences = _options.ApiAudiences.Count > 0 ? _options.ApiAudiences : _options.ServiceAccountIssuers;

        // Authorization: everything from memory, kept current by the caches.
        var policy = BootstrapPolicy.Embedded;
        using var rbac = new RbacIndex(_registry, Log<RbacIndex>());
        using var graph = new NodeGraph(_registry, Log<NodeGraph>());
        var authorizer = new UnionAuthorizer([new NodeAuthorizer(graph, policy.NodeRules), new RbacAuthorizer(rbac)]);
        using var flows = new FlowController(_options.MaxRequestsInflight, policy.FlowSchemas, policy.PriorityLevels, _registry, Log<FlowController>());
        AddFlowMetrics(flows);

        // Authentication: certificate, then token.
        List<ITokenAuthenticator> tokenKinds =
        [
            new ServiceAccountTokenAuthenticator(keys, _options.ServiceAccountIssuers, audiences, _registry, _timeProvider),
            new BootstrapTokenAuthenticator(_registry, _timeProvider),
        ];
        if (_options.TokenAuthFile is { } tokenFile)
        {
            tokenKinds.Insert(0, new StaticTokenAuthenticator(await File.ReadAllLinesAsync(tokenFile, stopping)));
        }

        var tokens = new BearerTokenAuthenticator(tokenKinds, _timeProvider);
        List<IAuthenticator> authenticators = clientAuthorities is null ? [tokens] : [new ClientCertificateAuthenticator(clientAuthorities, _timeProvider), tokens];

        // Health and what must happen once.
        var loopback = new Loopback(_registry, authorizer);
        var hooks = new BootstrapHooks(_options, _registry, loopback, clientAuthorities, _timeProvider, Log<BootstrapHooks>());
        var probe = new StoreProbe(_store, _metrics, _timeProvider, Log<StoreProbe>());
        var health = new ServerHealth(
            probe,
            [
                new HealthCheck("informer-sync", () => _registry.UnsyncedResources is { Count: > 0 } unsynced ? $"not filled yet: {string.Join(", ", unsynced.Take(5))}" : null),
                .. hooks.Checks,
                new HealthCheck("shutdown", () => _shutdown),
            ],
            Log<ServerHealth>());

        var kubeletClient = _options is { KubeletClientCertificateFile: { } clientCertificate, KubeletClientKeyFile: { } clientKey }
            ? new CertificateFiles(clientCertificate, clientKey, _timeProvider, Log<CertificateFiles>())
            : null;
        using var transport = new KubeletTransport(kubeletClient, Authorities(_options.KubeletCertificateAuthorityFile));
        await using var audit = _options.AuditLogPath is { } auditPath ? new AuditLog(auditPath, _metrics, Log<AuditLog>()) : null;
        using var halts = new HaltWatch(_timeProvider);
        using var halted = new HaltedConnections(halts);
        await using var app = Build(certificate, halted);
        using var connect = new ConnectHandler(
            app.Services.GetRequiredService<IHttpForwarder>(),
            _registry,
            new KubeletEndpoint(_registry, _options.KubeletPreferredAddressTypes, _options.KubeletPort),
            transport,
            new ProxyTarget(_registry, _random));

        var issuer = _options.ServiceAccountIssuers[0];
        var address = PublicAddress(_options.SecurePort);
        var dispatch = new DispatchStage(
            _registry,
            connect,
            new AccessReviews(authorizer),
            new IdentityReviews(tokens, audiences, _timeProvider),
            new TokenRequests(new TokenIssuer(keys, issuer, _timeProvider), audiences, _options.ServiceAccountMaxTokenExpiration, _registry, _timeProvider),
            new DiscoveryHandler(() => _registry.Definitions, address, [.. health.Paths, "/metrics", "/version", OpenIdDocuments.ConfigurationPath, OpenIdDocuments.KeysPath]),
            health,
            _metrics,
            OpenIdDocuments.Configuration(issuer, address, keys),
            keys.ToJsonWebKeySet());

        // The pipeline, from its end.
        var authorization = new AuthorizationStage(authorizer, () => rbac.HasSynced, new ProtobufBodyStage(dispatch.InvokeAsync).InvokeAsync);
        var flowControl = new FlowControlStage(flows, _metrics, _timeProvider, authorization.InvokeAsync);
        var impersonation = new ImpersonationStage(authorizer, flowControl.InvokeAsync);
        var deadline = new DeadlineStage(_timeProvider, impersonation.InvokeAsync);
        var auditing = new AuditStage(audit, _timeProvider, deadline.InvokeAsync);
        var authentication = new AuthenticationStage(authenticators, _options.AnonymousAuth, Log<AuthenticationStage>(), auditing.InvokeAsync);
        var balance = new ConnectionBalanceStage(_options.GoawayChance, _random, authentication.InvokeAsync, draining.Token);
        var recovery = new PanicRecoveryStage(authorizer, new RequestMetrics(_metrics, () => _registry.Definitions), _timeProvider, Log<PanicRecoveryStage>(), balance.InvokeAsync, draining.Token);
        app.Run(new RenderingStage(recovery.InvokeAsync).InvokeAsync);

        await app.StartAsync(stopping);
        var port = PortOf(app);
        _listening.TrySetResult(port);
        Log<ApiServerHost>().LogInformation("Listening on {Addresses}", string.Join(", ", _options.BindAddresses.Select(a => new IPEndPoint(a, port))));

        // The registry outlives the stop signal: requests are served until the last connection is gone.
        using var loops = new CancellationTokenSource();
        var registry = _registry.RunAsync(loops.Token);
        List<Task> background = [probe.RunAsync(loops.Token), hooks.RunAsync(stopping), AnnounceWhenReadyAsync(health, stopping)];
        var leases = LeasesAsync(loopback, health, port, stopping);

        await StoppedAsync(registry, [.. background, leases], stopping);
        _shutdown = "process is shutting down";
        await leases;
        await Task.Delay(_options.ShutdownDelay, _timeProvider, CancellationToken.None);
        await draining.CancelAsync();
        using (var grace = new CancellationTokenSource(_options.ShutdownGrace, _timeProvider))
        {
            await app.StopAsync(grace.Token);
        }

        await loops.CancelAsync();
        await Task.WhenAll([.. background, registry]);
        Log<ApiServerHost>().LogInformation("Stopped");
    }

    private WebApplication Build(CertificateFiles certificate, HaltedConnections halted)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(_loggers);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddHttpForwarder();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => ServerListener.Configure(kestrel, _options, certificate, halted));
        return builder.Build();
    }

    /// <summary>
    /// Ends when the server is told to stop. A registry that ends by itself, or anything beside it that fails, is a fault of the whole server: what it did
    /// would be missed only much later.
    /// </summary>
    private static async Task StoppedAsync(Task registry, List<Task> beside, CancellationToken stopping)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var onStop = stopping.UnsafeRegister(static s => ((TaskCompletionSource)s!).TrySetResult(), stopped);
        while (true)
        {
            var ended = await Task.WhenAny([stopped.Task, registry, .. beside]);
            await ended;
            if (!beside.Remove(ended))
            {
                return;
            }
        }
    }

    private async Task AnnounceWhenReadyAsync(ServerHealth health, CancellationToken cancellationToken)
    {
        try
        {
            while (!health.IsReady)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10), _timeProvider, cancellationToken);
            }

            _ready.TrySetResult();
            Log<ApiServerHost>().LogInformation("Ready");
        }
        catch (OperationCanceledException)
        {
            // Stopped before it was ready.
        }
    }

    /// <summary>Announces the server to the cluster once it is ready, and takes it out again when it stops.</summary>
    private async Task LeasesAsync(Loopback loopback, ServerHealth health, int port, CancellationToken stopping)
    {
        if (_options.AdvertiseAddress is not { } address)
        {
            return;
        }

        try
        {
            await _ready.Task.WaitAsync(stopping);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        var leases = new ServerLeases(new ServerAddress(address, port), Environment.MachineName, loopback, _registry, _timeProvider, Log<ServerLeases>());
        await leases.RunAsync(stopping);
    }

    private void AddFlowMetrics(FlowController flows)
    {
        var running = _metrics.Gauge("apiserver_flowcontrol_current_executing_requests", "Number of requests in execution in a priority level.", "priority_level");
        var waiting = _metrics.Gauge("apiserver_flowcontrol_current_inqueue_requests", "Number of requests that wait in the queues of a priority level.", "priority_level");
        var limit = _metrics.Gauge("apiserver_flowcontrol_nominal_limit_seats", "Concurrency of a priority level.", "priority_level");
        _metrics.OnScrape(() =>
        {
            foreach (var level in flows.Levels)
            {
                running.With(level.Name).Set(level.Running);
                waiting.With(level.Name).Set(level.Waiting);
                limit.With(level.Name).Set(level.IsExempt ? 0 : level.Concurrency);
            }
        });
    }

    private CertificateAuthorityFile? Authorities(string? path) => path is null ? null : new CertificateAuthorityFile(path, _timeProvider, Log<CertificateAuthorityFile>());

    private string PublicAddress(int port) =>
        new IPEndPoint(_options.AdvertiseAddress ?? _options.BindAddresses.FirstOrDefault(a => !a.Equals(IPAddress.Any)) ?? IPAddress.Loopback, port).ToString();

    private static int PortOf(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(a => new Uri(a.Replace("[::]", "localhost", StringComparison.Ordinal)).Port).First();

    private ILogger<T> Log<T>() => _loggers.CreateLogger<T>();
}
