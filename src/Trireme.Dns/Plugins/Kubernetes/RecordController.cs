using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Client.Informers;
using Trireme.Dns.Wire;
using Trireme.Primitives;

namespace Trireme.Dns.Plugins.Kubernetes;

/// <summary>Keeps the <see cref="RecordStore"/> equal to the services, endpoints and namespaces of the API, and the file on disk equal to the store.</summary>
internal sealed partial class RecordController : IDisposable
{
    private const string ByService = "dns.byService";
    private const string ServiceNameLabel = "kubernetes.io/service-name";

    /// <summary>Owner of the records of the zone itself.</summary>
    private const string ZoneOwner = "zone";

    /// <summary>How long changes are gathered before they are saved.</summary>
    private static readonly TimeSpan SavePeriod = TimeSpan.FromSeconds(3);

    private readonly RecordStore _store;
    private readonly DnsName _zone;
    private readonly uint _ttl;
    private readonly string? _file;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly WorkQueue<string> _queue;
    private readonly ISharedInformer<Service> _services;
    private readonly ISharedInformer<EndpointSlice> _slices;
    private readonly ISharedInformer<Namespace> _namespaces;
    private volatile bool _restored;
    private volatile bool _synced;

    /// <param name="store">What is kept.</param>
    /// <param name="informers">Where the truth comes from.</param>
    /// <param name="zone">The cluster domain.</param>
    /// <param name="ttl">Seconds for which answers may be kept.</param>
    /// <param name="cacheDirectory">Where to save the records; null saves nothing.</param>
    /// <param name="timeProvider">Clock.</param>
    /// <param name="logger">Log.</param>
    public RecordController(
        RecordStore store, IInformerFactory informers, DnsName zone, uint ttl, string? cacheDirectory, TimeProvider timeProvider, ILogger logger)
    {
        (_store, _zone, _ttl, _time, _logger) = (store, zone, ttl, timeProvider, logger);
        _file = cacheDirectory is null ? null : Path.Combine(cacheDirectory, "records");
        _queue = new WorkQueue<string>(timeProvider);
        _services = informers.For<Service>();
        _slices = informers.For<EndpointSlice>();
        _namespaces = informers.For<Namespace>();
        _slices.Indexer.AddIndex(ByService, slice => ServiceOf(slice) is { } key ? [key] : []);
        _services.AddEventHandler(new(s => Enqueue(s), (_, s) => Enqueue(s), s => Enqueue(s)));
        _slices.AddEventHandler(new(s => _queue.Add(ServiceOf(s) ?? ""), OnSliceChanged, s => _queue.Add(ServiceOf(s) ?? "")));
        _namespaces.AddEventHandler(new(n => _queue.Add(OwnerOf(n)), null, n => _queue.Add(OwnerOf(n))));
    }

    /// <summary>Whether there is something true to answer from: of now, or, after a restart without the API, of before.</summary>
    public bool IsReady => _synced || _restored;

    /// <summary>Whether it is of now.</summary>
    public bool IsSynced => _synced;

    public void Dispose() => _queue.Dispose();

    /// <summary>Takes what a former run has saved, if anything.</summary>
    public void Restore()
    {
        AddZone();
        if (_file is null || RecordFile.TryLoad(_file) is not { } owners)
        {
            return;
        }

        foreach (var (owner, records, empty) in owners)
        {
            _store.Replace(owner, records, empty);
        }

        _restored = true;
        LogRestored(_store.NameCount, _file);
    }

    /// <summary>Follows the API until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var follow = FollowAsync(cancellationToken);
        var save = SaveAsync(cancellationToken);
        await Task.WhenAll(follow, save);
    }

    private static string? ServiceOf(EndpointSlice slice) =>
        slice.Metadata.Labels?.GetValueOrDefault(ServiceNameLabel) is { Length: > 0 } name ? $"{slice.Metadata.Namespace}/{name}" : null;

    private static string OwnerOf(Namespace ns) => $"namespace:{ns.Metadata.Name}";

    private void Enqueue(Service service) => _queue.Add($"{service.Metadata.Namespace}/{service.Metadata.Name}");

    private void OnSliceChanged(EndpointSlice old, EndpointSlice @new)
    {
        _queue.Add(ServiceOf(old) ?? "");
        _queue.Add(ServiceOf(@new) ?? "");
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(
                _services.WaitForSyncAsync(cancellationToken),
                _slices.WaitForSyncAsync(cancellationToken),
                _namespaces.WaitForSyncAsync(cancellationToken));

            // All at once, not through the queue: readiness means that everything is in.
            var owners = new HashSet<string>(StringComparer.Ordinal) { ZoneOwner };
            foreach (var key in _services.Indexer.List().Select(s => $"{s.Metadata.Namespace}/{s.Metadata.Name}")
                .Concat(_namespaces.Indexer.List().Select(OwnerOf)))
            {
                owners.Add(key);
                Sync(key);
            }

            _store.RetainOwners(owners);
            _synced = true;
            LogSynced(_store.NameCount);
            while (true)
            {
                var key = await _queue.GetAsync(cancellationToken);
                Sync(key);
                _queue.Done(key);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private void Sync(string key)
    {
        if (key.StartsWith("namespace:", StringComparison.Ordinal))
        {
            var ns = key["namespace:".Length..];
            var exists = _namespaces.Indexer.Get(null, ns) is not null;
            _store.Replace(key, [], exists && DnsName.TryParse($"{ns}.svc.{_zone}", out var name) ? [name] : []);
            return;
        }

        if (key.Split('/') is not [var @namespace, var service])
        {
            return;
        }

        if (_services.Indexer.Get(@namespace, service) is { } found)
        {
            // A service without endpoints exists all the same: nothing is there, which is not the same as no such name.
            var records = ServiceRecords.Of(found, _slices.Indexer.ByIndex(ByService, key), _zone, _ttl);
            _store.Replace(key, records, DnsName.TryParse($"{service}.{@namespace}.svc.{_zone}", out var name) ? [name] : []);
            if (key == "kube-system/kube-dns")
            {
                AddZone(found);
            }
        }
        else
        {
            _store.Remove(key);
        }
    }

    /// <summary>The records of the zone itself: who serves it, and by which version of the specification.</summary>
    private void AddZone(Service? dns = null)
    {
        var server = _zone.Prepend("dns").Prepend("ns");
        var records = new List<DnsRecord>
        {
            DnsRecord.Soa(_zone, server, _zone.Prepend("hostmaster"), (uint)_store.Version, _ttl),
            DnsRecord.Ns(_zone, server, _ttl),
            DnsRecord.Txt(_zone.Prepend("dns-version"), "1.1.0", _ttl),
        };
        foreach (var text in dns?.Spec?.ClusterIPs ?? [])
        {
            if (System.Net.IPAddress.TryParse(text, out var address))
            {
                records.Add(DnsRecord.Address(server, address, _ttl));
            }
        }

        _store.Replace(ZoneOwner, records, [_zone.Prepend("svc"), _zone.Prepend("pod"), server]);
    }

    private async Task SaveAsync(CancellationToken cancellationToken)
    {
        if (_file is null)
        {
            return;
        }

        long saved = -1;
        try
        {
            while (true)
            {
                await Task.Delay(SavePeriod, _time, cancellationToken);
                saved = SaveIfChanged(saved);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            SaveIfChanged(saved);
        }
    }

    private long SaveIfChanged(long saved)
    {
        // Half a list must never replace a whole one.
        var version = _store.Version;
        if (!_synced || version == saved)
        {
            return saved;
        }

        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_file!)!);
            RecordFile.Save(_file!, _store.Export());
            return version;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            LogSaveFailed(exception, _file!);
            return saved;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Restored {Names} names from {File}")]
    private partial void LogRestored(int names, string file);

    [LoggerMessage(Level = LogLevel.Information, Message = "Synced {Names} names with the API")]
    private partial void LogSynced(int names);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Records were not saved to {File}")]
    private partial void LogSaveFailed(Exception exception, string file);
}
