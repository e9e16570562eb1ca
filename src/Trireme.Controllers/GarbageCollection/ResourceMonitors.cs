using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.GarbageCollection;

/// <summary>A metadata informer for each kind that can be deleted, following what the API serves, and the mapping from kinds to resources.</summary>
internal sealed class ResourceMonitors(InformerFactory informers, DiscoveryClient discovery, ILogger logger)
{
    // Nothing owns by them or is worth collecting: they expire by themselves, and there are many.
    private static readonly HashSet<(string Group, string Plural)> _ignored = [("", "events"), ("events.k8s.io", "events")];

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Group, string Plural), Monitor> _monitors = [];
    private Dictionary<(string Group, string Kind), ResourceInfo> _kinds = [];

    /// <summary>Whether every kind that is watched has been listed once.</summary>
    public bool HasSynced
    {
        get
        {
            lock (_lock)
            {
                return _monitors.Count > 0 && _monitors.Values.All(m => m.Informer.Informer.HasSynced);
            }
        }
    }

    /// <summary>The resource of a kind in any version of its group; null when the API serves none.</summary>
    public ResourceInfo? Resolve(string? apiVersion, string? kind)
    {
        var slash = apiVersion?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        var group = slash < 0 ? "" : apiVersion![..slash];
        lock (_lock)
        {
            return _kinds.GetValueOrDefault((group, kind ?? ""));
        }
    }

    /// <summary>Starts monitors of new kinds and stops those of kinds that are gone.</summary>
    /// <param name="onChange">Called for each object that comes or changes.</param>
    /// <param name="onDelete">Called for each object that goes.</param>
    /// <param name="cancellationToken">Ends discovery, and every monitor that it started.</param>
    /// <exception cref="ApiException">Discovery was refused.</exception>
    public async Task RefreshAsync(Action<ResourceInfo, ObjectMeta> onChange, Action<ObjectMeta> onDelete, CancellationToken cancellationToken)
    {
        var found = await discovery.DiscoverAsync(cancellationToken);
        var stopped = new List<Monitor>();
        lock (_lock)
        {
            var kinds = new Dictionary<(string, string), ResourceInfo>();
            foreach (var resource in found.Resources.Where(r => r.Can("get")))
            {
                kinds.TryAdd((resource.Info.Group, resource.Info.Kind), resource.Info);
            }

            // A group whose server is down at the moment is still there.
            bool Failed(string group) => found.FailedGroups.Any(f => f.StartsWith(group + "/", StringComparison.Ordinal));
            foreach (var (key, info) in _kinds.Where(k => Failed(k.Key.Group)))
            {
                kinds.TryAdd(key, info);
            }

            _kinds = kinds;
            var wanted = found.Resources.Where(r => r.Can("list", "watch", "delete") && !_ignored.Contains((r.Info.Group, r.Info.Plural)))
                .ToDictionary(r => (r.Info.Group, r.Info.Plural), r => r.Info);
            foreach (var (key, monitor) in _monitors.Where(m => !wanted.ContainsKey(m.Key) && !Failed(m.Key.Group)).ToList())
            {
                logger.LogDebug("No longer watching {Resource}", key.Plural);
                monitor.Stop.Cancel();
                _monitors.Remove(key);
                stopped.Add(monitor);
            }

            foreach (var (key, info) in wanted.Where(w => !_monitors.ContainsKey(w.Key)))
            {
                Start(key, info, onChange, onDelete, cancellationToken);
            }
        }

        foreach (var monitor in stopped)
        {
            // With the kind its objects are gone, but nobody watches any more who could tell.
            await monitor.Running;
            monitor.Stop.Dispose();
            foreach (var gone in monitor.Informer.Informer.Indexer.List())
            {
                onDelete(gone.Metadata);
            }
        }
    }

    /// <summary>Waits for the monitors to end, after their token was cancelled.</summary>
    public async Task StopAsync()
    {
        List<Monitor> monitors;
        lock (_lock)
        {
            monitors = [.. _monitors.Values];
            _monitors.Clear();
        }

        await Task.WhenAll(monitors.Select(m => m.Running));
        monitors.ForEach(m => m.Stop.Dispose());
    }

    private void Start(
        (string Group, string Plural) key, ResourceInfo info, Action<ResourceInfo, ObjectMeta> onChange, Action<ObjectMeta> onDelete, CancellationToken cancellationToken)
    {
        var informer = informers.ForMetadata(info);
        informer.Informer.AddEventHandler(new ResourceEventHandler<PartialObjectMetadata>(
            obj => onChange(info, obj.Metadata),
            (old, now) =>
            {
                if (old.Metadata.Uid != now.Metadata.Uid)
                {
                    // Deleted and made again between two looks.
                    onDelete(old.Metadata);
                }

                onChange(info, now.Metadata);
            },
            gone => onDelete(gone.Metadata)));
        var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _monitors.Add(key, new Monitor(informer, stop, Task.Run(() => informer.RunAsync(stop.Token), CancellationToken.None)));
    }

    private sealed record Monitor(MetadataInformer Informer, CancellationTokenSource Stop, Task Running);
}
