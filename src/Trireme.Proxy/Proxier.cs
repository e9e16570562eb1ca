using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Client.Informers;
using Trireme.Proxy.Nftables;
using Trireme.Proxy.PodNetwork;
using Trireme.Proxy.Services;

namespace Trireme.Proxy;

/// <summary>Keeps the rules, routes and pod network of one node equal to what the API says.</summary>
/// <remarks>
/// One sync, in order: (1) read the copies, (2) look whether somebody else removed what is in force, when it is time for that, (3) routes to other nodes'
/// pods, (4) the runtime's network configuration, (5) rules, (6) forget UDP flows that lead elsewhere than a new one would, (7) write what is in force to
/// disk. No step waits for the success of another; after a failure all is tried again after a pause.
/// Before the first list from the API arrives the state from disk is applied, so that a node that restarts while no API server can be reached
/// serves as it did before.
/// </remarks>
public sealed partial class Proxier(ProxyOptions options, IInformerFactory informers, IHostTools host, TimeProvider time, ILogger<Proxier> logger)
{
    private static readonly TimeSpan RetryPeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxRetryPeriod = TimeSpan.FromSeconds(10);

    /// <summary>Other programs flush rules and routes (a firewall that is reloaded, a network manager): so long at most nobody is served.</summary>
    private static readonly TimeSpan CheckPeriod = TimeSpan.FromSeconds(15);

    private readonly ISharedInformer<Service> _services = informers.For<Service>();
    private readonly ISharedInformer<EndpointSlice> _slices = informers.For<EndpointSlice>();
    private readonly ISharedInformer<Node> _nodes = informers.For<Node>();
    private readonly RouteTable _routes = new(host);
    private readonly SavedState _saved = new(options.StateFolder, host);
    private readonly SemaphoreSlim _dirty = new(0);
    private IReadOnlyList<ServicePortRule>? _rules;
    private Ruleset? _applied;
    private bool _unsaved;
    private bool _refused;
    private int _pending;
    private int _check;
    private volatile bool _synced;

    /// <summary>Null once rules from the API are in force; before that, what is awaited.</summary>
    public string? NotReadyReason => _synced ? null : "rules from the API are not applied yet";

    /// <summary>Syncs on every change until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await host.EnableForwardingAsync(cancellationToken);
        if (await _saved.RestoreAsync(cancellationToken) is { } restored)
        {
            LogRestored(restored);
        }

        await _routes.ReadAsync(cancellationToken);
        _services.AddEventHandler(OnChange<Service>());
        _slices.AddEventHandler(OnChange<EndpointSlice>());
        _nodes.AddEventHandler(new ResourceEventHandler<Node>(_ => MarkDirty(), OnNodeUpdate, _ => MarkDirty()));
        await Task.WhenAll(_services.WaitForSyncAsync(cancellationToken), _slices.WaitForSyncAsync(cancellationToken), _nodes.WaitForSyncAsync(cancellationToken));
        using var check = time.CreateTimer(_ => RequestCheck(), null, CheckPeriod, CheckPeriod);
        using var retry = time.CreateTimer(_ => MarkDirty(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        var pause = RetryPeriod;
        string? last = null;
        while (true)
        {
            Volatile.Write(ref _pending, 0);
            var complaint = await SyncAsync(cancellationToken);
            if (complaint is not null && complaint != last)
            {
                LogSyncFailed(complaint);
            }

            // What cannot be done (a route to a gateway that is not there) is tried again ever less often; changes do not wait for that.
            retry.Change(complaint is null ? Timeout.InfiniteTimeSpan : pause, Timeout.InfiniteTimeSpan);
            pause = complaint is null ? RetryPeriod : pause * 2 < MaxRetryPeriod ? pause * 2 : MaxRetryPeriod;
            last = complaint;
            await Task.Delay(options.MinSyncPeriod, time, cancellationToken);
            await _dirty.WaitAsync(cancellationToken);
        }
    }

    /// <summary>One sync. Null when all of it succeeded, else what did not.</summary>
    private async Task<string?> SyncAsync(CancellationToken cancellationToken)
    {
        // (1)
        var rules = ServiceMap.Build(_services.Indexer.List(), _slices.Indexer.List(), options.NodeName);
        var podCidr = _nodes.Indexer.Get(null, options.NodeName)?.Spec?.PodCIDR is { Length: > 0 } range ? range : null;
        var routes = NodeRoutes.Build(_nodes.Indexer.List(), options.NodeName);
        var wanted = Ruleset.Build(rules, options.ClusterCidr, options.ServiceCidr, podCidr);

        // (2)
        if (Interlocked.Exchange(ref _check, 0) == 1)
        {
            await CheckAsync(cancellationToken);
        }

        // (3), (4), (5)
        var ofRoutes = await _routes.SyncAsync(routes, cancellationToken);
        var ofNetwork = podCidr is null ? null : WriteNetworkConfig(podCidr);
        var ofRules = await ApplyAsync(wanted, rules.Count, cancellationToken);

        // (6)
        if (ofRules is null && (_rules is null || StaleFlows.Differ(_rules, rules)))
        {
            foreach (var flow in StaleFlows.Of(await host.ReadFlowsAsync(cancellationToken), _rules ?? [], rules))
            {
                await host.ForgetFlowsAsync(flow, cancellationToken);
            }
        }

        // (7)
        string? ofDisk = null;
        if (ofRules is null)
        {
            (_rules, _synced) = (rules, true);
            _unsaved |= !_saved.Holds(routes);
            ofDisk = _unsaved ? _saved.Save(wanted, routes) : null;
            _unsaved = ofDisk is not null;
        }

        string?[] complaints = [ofRules, ofRoutes, ofNetwork, ofDisk];
        return complaints.Any(c => c is not null) ? string.Join("; ", complaints.Where(c => c is not null)) : null;
    }

    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        if (_applied is not null && !await host.HasRulesAsync(cancellationToken))
        {
            LogLost("rules");
            _applied = null;
        }

        if (await _routes.ReadAsync(cancellationToken))
        {
            LogLost("routes");
        }
    }

    private async Task<string?> ApplyAsync(Ruleset wanted, int count, CancellationToken cancellationToken)
    {
        var script = await ScriptAsync(wanted, cancellationToken);
        if (script.Length > 0)
        {
            if (await host.ApplyRulesAsync(script, cancellationToken) is { } complaint)
            {
                // Someone may have changed the table under us: the next attempt makes it anew.
                _applied = null;
                _refused = true;
                return complaint;
            }

            _unsaved = true;
            LogApplied(count, script.Length);
        }

        _applied = wanted;
        _refused = false;
        return null;
    }

    /// <summary>The difference to what is in force; over what an earlier process left, everything but the clients that stay with a backend.</summary>
    private async Task<string> ScriptAsync(Ruleset wanted, CancellationToken cancellationToken)
    {
        if (_applied is not null)
        {
            return wanted.ToScriptFrom(_applied);
        }

        var present = _refused ? [] : await host.ReadDefinitionsAsync(cancellationToken);
        return present.Count > 0 ? wanted.ToScriptOver(present) : wanted.ToScript();
    }

    /// <summary>Null when the configuration is there, else why not.</summary>
    private string? WriteNetworkConfig(string podCidr)
    {
        if (options.CniConfigFolder is not { } folder)
        {
            return null;
        }

        try
        {
            var path = Path.Combine(folder, CniConfig.FileName);
            var content = CniConfig.Build(podCidr, options.CniStateFolder, options.Mtu);
            if (File.Exists(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
            {
                return null;
            }

            Directory.CreateDirectory(folder);
            File.WriteAllBytes(path + ".new", content);
            File.Move(path + ".new", path, overwrite: true);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"network configuration was not written: {e.Message}";
        }
    }

    private ResourceEventHandler<T> OnChange<T>() => new(_ => MarkDirty(), (_, _) => MarkDirty(), _ => MarkDirty());

    // A node's heartbeat changes it every few seconds; only its range and address matter here.
    private void OnNodeUpdate(Node before, Node after)
    {
        if (before.Spec?.PodCIDR != after.Spec?.PodCIDR || NodeRoutes.Build([before], "").Values.FirstOrDefault() != NodeRoutes.Build([after], "").Values.FirstOrDefault())
        {
            MarkDirty();
        }
    }

    private void RequestCheck()
    {
        Volatile.Write(ref _check, 1);
        MarkDirty();
    }

    private void MarkDirty()
    {
        if (Interlocked.Exchange(ref _pending, 1) == 0)
        {
            _dirty.Release();
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Applied rules of {Count} service ports in {Bytes} bytes")]
    private partial void LogApplied(int count, int bytes);

    [LoggerMessage(Level = LogLevel.Information, Message = "Restored the last known rules and routes from disk: {Result}")]
    private partial void LogRestored(string result);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Somebody else has changed the {What} of this node: they are made again")]
    private partial void LogLost(string what);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Failed to sync, will retry: {Reason}")]
    private partial void LogSyncFailed(string reason);
}
