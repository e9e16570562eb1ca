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
/// One sync, in order: (1) read the copies, (2) routes to other nodes' pods, (3) the runtime's network configuration, (4) rules, (5) forget UDP flows
/// to backends that are gone, (6) write what was applied to disk. A step that fails leaves the sync unfinished; it is done again after a pause.
/// Before the first list from the API arrives the state from disk is applied, so that a node that restarts while no API server can be reached
/// serves as it did before.
/// </remarks>
public sealed partial class Proxier(ProxyOptions options, IInformerFactory informers, IHostTools host, TimeProvider time, ILogger<Proxier> logger)
{
    private static readonly TimeSpan RetryPeriod = TimeSpan.FromSeconds(1);

    private readonly ISharedInformer<Service> _services = informers.For<Service>();
    private readonly ISharedInformer<EndpointSlice> _slices = informers.For<EndpointSlice>();
    private readonly ISharedInformer<Node> _nodes = informers.For<Node>();
    private readonly SemaphoreSlim _dirty = new(0);
    private IReadOnlyList<ServicePortRule> _rules = [];
    private IReadOnlyDictionary<string, string> _routes = new Dictionary<string, string>();
    private Ruleset? _applied;
    private int _pending;
    private volatile bool _synced;

    /// <summary>Null once rules from the API are in force; before that, what is awaited.</summary>
    public string? NotReadyReason => _synced ? null : "rules from the API are not applied yet";

    /// <summary>Syncs on every change until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        host.EnableForwarding();
        await RestoreAsync(cancellationToken);
        _services.AddEventHandler(OnChange<Service>());
        _slices.AddEventHandler(OnChange<EndpointSlice>());
        _nodes.AddEventHandler(new ResourceEventHandler<Node>(_ => MarkDirty(), OnNodeUpdate, _ => MarkDirty()));
        await Task.WhenAll(_services.WaitForSyncAsync(cancellationToken), _slices.WaitForSyncAsync(cancellationToken), _nodes.WaitForSyncAsync(cancellationToken));
        while (true)
        {
            Volatile.Write(ref _pending, 0);
            var complaint = await SyncAsync(cancellationToken);
            if (complaint is not null)
            {
                LogSyncFailed(complaint);
                await Task.Delay(RetryPeriod, time, cancellationToken);
                continue;
            }

            _synced = true;
            await Task.Delay(options.MinSyncPeriod, time, cancellationToken);
            await _dirty.WaitAsync(cancellationToken);
        }
    }

    private async Task<string?> SyncAsync(CancellationToken cancellationToken)
    {
        // (1)
        var rules = ServiceMap.Build(_services.Indexer.List(), _slices.Indexer.List(), options.NodeName);
        var podCidr = _nodes.Indexer.Get(null, options.NodeName)?.Spec?.PodCIDR is { Length: > 0 } range ? range : null;
        var routes = NodeRoutes.Build(_nodes.Indexer.List(), options.NodeName);

        // (2)
        var batch = NodeRoutes.ToBatch(routes, _routes);
        if (batch.Length > 0 && await host.ApplyRoutesAsync(batch, cancellationToken) is { } routeComplaint)
        {
            return routeComplaint;
        }

        _routes = routes;

        // (3)
        if (podCidr is not null)
        {
            WriteNetworkConfig(podCidr);
        }

        // (4)
        var wanted = Ruleset.Build(rules, options.ClusterCidr, options.ServiceCidr, podCidr);
        var script = _applied is null ? wanted.ToScript() : wanted.ToScriptFrom(_applied);
        if (script.Length > 0)
        {
            if (await host.ApplyRulesAsync(script, cancellationToken) is { } complaint)
            {
                // Someone may have changed the table under us: the next attempt makes it anew.
                _applied = null;
                return complaint;
            }

            LogApplied(rules.Count, script.Length);
        }

        _applied = wanted;

        // (5)
        foreach (var (service, port, backend) in StaleFlows.Between(_rules, rules))
        {
            await host.ForgetFlowsAsync(service, port, backend, cancellationToken);
        }

        _rules = rules;

        // (6)
        if (script.Length + batch.Length > 0)
        {
            Save(wanted, routes);
        }

        return null;
    }

    private void WriteNetworkConfig(string podCidr)
    {
        if (options.CniConfigFolder is not { } folder)
        {
            return;
        }

        var path = Path.Combine(folder, CniConfig.FileName);
        var content = CniConfig.Build(podCidr, options.CniStateFolder, options.Mtu);
        if (File.Exists(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
        {
            return;
        }

        Directory.CreateDirectory(folder);
        File.WriteAllBytes(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
    }

    private async Task RestoreAsync(CancellationToken cancellationToken)
    {
        if (options.StateFolder is not { } folder || !File.Exists(Path.Combine(folder, "rules.nft")))
        {
            return;
        }

        var rules = await File.ReadAllTextAsync(Path.Combine(folder, "rules.nft"), cancellationToken);
        var routes = await File.ReadAllTextAsync(Path.Combine(folder, "routes"), cancellationToken);
        var complaint = await host.ApplyRoutesAsync(routes, cancellationToken) ?? await host.ApplyRulesAsync(rules, cancellationToken);
        LogRestored(complaint ?? "done");
    }

    private void Save(Ruleset rules, IReadOnlyDictionary<string, string> routes)
    {
        if (options.StateFolder is not { } folder)
        {
            return;
        }

        Directory.CreateDirectory(folder);
        foreach (var (name, text) in new[] { ("rules.nft", rules.ToScript()), ("routes", NodeRoutes.ToBatch(routes, new Dictionary<string, string>())) })
        {
            var path = Path.Combine(folder, name);
            File.WriteAllText(path + ".new", text);
            File.Move(path + ".new", path, overwrite: true);
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "Failed to sync rules, will retry: {Reason}")]
    private partial void LogSyncFailed(string reason);
}
