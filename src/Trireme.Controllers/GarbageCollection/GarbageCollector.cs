using System.Collections.Concurrent;
using System.Net;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Controllers.Runtime;
using Trireme.Primitives;

namespace Trireme.Controllers.GarbageCollection;

/// <summary>Deletes objects all of whose owners are gone, whatever their kind; carries out foreground and orphaning deletion.</summary>
/// <remarks>
/// The graph of owners is built from informers of all kinds, and is never quite up to date. So before anything is deleted, the object and each owner that is
/// missing are looked at live, and the deletion holds only for the version that was looked at. An owner is gone when nothing is found under its name, or something
/// with another uid. An owner in another namespace does not count; of an object of the cluster that names an owner in a namespace nothing can be said,
/// so it stays. For one object:
/// <code>
/// orphaning ────────────────► take it out of its dependents' owners, then drop its finalizer
/// deleting its dependents ──► none blocks any more? drop its finalizer : look at those that block
/// some owners live ─────────► take the gone ones out of its owners
/// an owner waits for it ────► delete it in the foreground
/// no owner lives ───────────► delete it (as its finalizers ask)
/// </code>
/// See https://kubernetes.io/docs/concepts/architecture/garbage-collection/.
/// </remarks>
public sealed class GarbageCollector : IController
{
    private const int MaxAbsent = 4096;
    private static readonly TimeSpan _discoveryPeriod = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan _syncPoll = TimeSpan.FromMilliseconds(100);

    // One kind that cannot be listed must not keep all others from being collected; every deletion is checked live.
    private static readonly TimeSpan _syncPatience = TimeSpan.FromSeconds(30);

    // How often an owner that no informer has shown is looked at again.
    private static readonly TimeSpan _virtualPeriod = TimeSpan.FromSeconds(30);

    private readonly ControllerContext _context;
    private readonly ILogger _logger;
    private readonly int _workers;

    public GarbageCollector(ControllerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _context = context;
        _logger = context.LoggerFactory.CreateLogger(Name);
        _workers = context.Options.Workers("gc", 8);
    }

    public string Name => "garbage-collector-controller";

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        // A term starts with an empty graph: what the one of an earlier term said may no longer hold.
        using var term = new Term(this);
        await term.RunAsync(cancellationToken);
    }

    private sealed class Term(GarbageCollector collector) : IDisposable
    {
        private readonly OwnerGraph _graph = new();
        private readonly WorkQueue<string> _queue = new(collector._context.TimeProvider);
        private readonly ResourceMonitors _monitors =
            new(collector._context.Informers, new DiscoveryClient(collector._context.Client), collector._logger);

        // Uids are never used twice: what was absent once stays absent. But a reference may name a uid in the wrong place, where it is absent only there.
        private readonly ConcurrentDictionary<(string Uid, ObjectLocation Location), bool> _absent = new();
        private readonly TimeProvider _time = collector._context.TimeProvider;
        private readonly IApiClient _client = collector._context.Client;
        private readonly ObjectWriter _writer = new(collector._context.Client, collector._logger);
        private readonly ILogger _logger = collector._logger;

        public void Dispose() => _queue.Dispose();

        public async Task RunAsync(CancellationToken cancellationToken)
        {
            var discovery = RefreshAsync(cancellationToken);
            var began = _time.GetTimestamp();
            while (!_monitors.HasSynced && !cancellationToken.IsCancellationRequested && _time.GetElapsedTime(began) < _syncPatience)
            {
                await Task.Delay(_syncPoll, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            var workers = Enumerable.Range(0, collector._workers).Select(_ => Task.Run(() => WorkAsync(cancellationToken), CancellationToken.None));
            await Task.WhenAll([discovery, .. workers]);
            await _monitors.StopAsync();
        }

        private async Task RefreshAsync(CancellationToken cancellationToken)
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                var pause = _discoveryPeriod;
                try
                {
                    await _monitors.RefreshAsync(OnChange, meta => Look(_graph.Remove(meta.Uid ?? "")), cancellationToken);
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    return;
                }
#pragma warning disable CA1031 // whatever went wrong, without another look new kinds would never be collected
                catch (Exception e)
#pragma warning restore CA1031
                {
                    _logger.LogDebug("Discovery failed: {Reason}", e.Message);
                    pause = TimeSpan.FromSeconds(1);
                }

                await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private void OnChange(ResourceInfo resource, ObjectMeta meta) => Look(_graph.Put(
            new ObjectLocation(resource, new NamespacedName(meta.Namespace ?? "", meta.Name ?? "")), meta, Locate));

        private ObjectLocation Locate(OwnerReference reference, string @namespace)
        {
            // An owner of a namespaced kind is in the namespace of what it owns.
            var resource = _monitors.Resolve(reference.ApiVersion, reference.Kind);
            return new ObjectLocation(resource, new NamespacedName(resource is { Namespaced: false } ? "" : @namespace, reference.Name ?? ""));
        }

        private void Look(IReadOnlyList<string> uids)
        {
            foreach (var uid in uids)
            {
                _queue.Add(uid);
            }
        }

        private async Task WorkAsync(CancellationToken cancellationToken)
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                string uid;
                try
                {
                    uid = await _queue.GetAsync(cancellationToken);
                }
                catch (Exception e) when (e is OperationCanceledException or ChannelClosedException)
                {
                    return;
                }

                try
                {
                    await AttendAsync(uid, cancellationToken);
                    _queue.Forget(uid);
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    return;
                }
#pragma warning disable CA1031 // one object's trouble must not hold up the others
                catch (Exception e)
#pragma warning restore CA1031
                {
                    _logger.LogDebug("Object {Uid}: {Reason}", uid, e.Message);
                    _queue.AddRateLimited(uid);
                }
                finally
                {
                    _queue.Done(uid);
                }
            }
        }

        private async Task AttendAsync(string uid, CancellationToken cancellationToken)
        {
            if (_graph.Find(uid) is not { } node || (node is { IsBeingDeleted: true, IsDeletingDependents: false, IsOrphaning: false, IsVirtual: false }))
            {
                return;
            }

            if (node.IsVirtual)
            {
                if (await IsGoneAsync(node, cancellationToken))
                {
                    // A node that stays virtual because of its dependents is not looked at again by itself; they are.
                    Look(_graph.Remove(uid));
                }
                else
                {
                    // It may go before its informer has shown it, and then nobody tells.
                    _queue.AddAfter(uid, _virtualPeriod);
                }

                return;
            }

            if (await FetchAsync(node.Location, cancellationToken) is not { } live || live.Metadata.Uid != uid)
            {
                // The informer will say so too; it may be slow.
                Look(_graph.Remove(uid));
                return;
            }

            if (node.IsOrphaning)
            {
                await OrphanAsync(node, live, cancellationToken);
            }
            else if (node.IsDeletingDependents)
            {
                await AwaitDependentsAsync(node, live, cancellationToken);
            }
            else
            {
                await JudgeAsync(node, live, cancellationToken);
            }
        }

        private async Task JudgeAsync(GraphNode node, PartialObjectMetadata live, CancellationToken cancellationToken)
        {
            var owners = live.Metadata.OwnerReferences ?? [];
            if (owners.Count == 0 || live.Metadata.DeletionTimestamp is not null)
            {
                return;
            }

            if (node.Location.Key.Namespace.Length == 0 && owners.Exists(o => Locate(o, "").Resource is { Namespaced: true }))
            {
                _logger.LogWarning("{Resource} {Key} of the cluster names an owner in a namespace: it stays", node.Location.Resource!.Plural, node.Location.Key);
                return;
            }

            var (solid, gone, waiting) = await ClassifyAsync(node, owners, cancellationToken);
            if (solid.Count > 0)
            {
                if (gone.Count + waiting.Count > 0)
                {
                    await _writer.PatchOwnersAsync(node.Location, live, solid, cancellationToken);
                }

                return;
            }

            if (waiting.Count > 0)
            {
                var dependents = _graph.Dependents(node.Uid);
                if (dependents.Any(d => d.IsDeletingDependents))
                {
                    // A circle of objects that all wait for each other: let this one's owners no longer wait for it.
                    var unblocked = owners.Select(o => o.Clone()).ToList();
                    unblocked.ForEach(o => o.BlockOwnerDeletion = false);
                    live = await _writer.PatchOwnersAsync(node.Location, live, unblocked, cancellationToken) ?? live;
                }

                await _writer.DeleteAsync(node, live, dependents.Count > 0 ? "Foreground" : "Background", cancellationToken);
                return;
            }

            var finalizers = live.Metadata.Finalizers ?? [];
            await _writer.DeleteAsync(
                node,
                live,
                finalizers.Contains(OwnerGraph.OrphanFinalizer) ? "Orphan" : finalizers.Contains(OwnerGraph.ForegroundFinalizer) ? "Foreground" : "Background",
                cancellationToken);
        }

        private async Task<(List<OwnerReference> Solid, List<OwnerReference> Gone, List<OwnerReference> Waiting)> ClassifyAsync(
            GraphNode node, List<OwnerReference> owners, CancellationToken cancellationToken)
        {
            var (solid, gone, waiting) = (new List<OwnerReference>(), new List<OwnerReference>(), new List<OwnerReference>());
            foreach (var owner in owners)
            {
                var location = Locate(owner, node.Location.Key.Namespace);
                if (_graph.Find(owner.Uid ?? "") is { IsVirtual: false } known && (location.Resource is null || known.Location.Key == location.Key))
                {
                    (known.IsDeletingDependents ? waiting : solid).Add(owner);
                    continue;
                }

                var absent = await IsGoneAsync(new GraphNode(owner.Uid ?? "", location, [], true, false, false, false), cancellationToken);
                (absent ? gone : solid).Add(owner);
            }

            return (solid, gone, waiting);
        }

        /// <summary>Asks the API itself whether an owner is there.</summary>
        /// <exception cref="InvalidOperationException">It is of a kind that cannot be asked for now: nothing may be concluded.</exception>
        private async Task<bool> IsGoneAsync(GraphNode owner, CancellationToken cancellationToken)
        {
            if (_absent.ContainsKey((owner.Uid, owner.Location)))
            {
                return true;
            }

            if (owner.Location.Resource is null)
            {
                throw new InvalidOperationException($"The kind of owner {owner.Location.Key} is not served");
            }

            if (await FetchAsync(owner.Location, cancellationToken) is { } live && live.Metadata.Uid == owner.Uid)
            {
                return false;
            }

            if (_absent.Count >= MaxAbsent)
            {
                _absent.Clear();
            }

            _absent[(owner.Uid, owner.Location)] = true;
            return true;
        }

        private async Task AwaitDependentsAsync(GraphNode node, PartialObjectMetadata live, CancellationToken cancellationToken)
        {
            var blocking = _graph.Dependents(node.Uid)
                .Where(d => d.Owners.Any(o => o.Uid == node.Uid && o.BlockOwnerDeletion == true)).ToList();
            if (blocking.Count == 0)
            {
                await _writer.DropFinalizerAsync(node.Location, live, OwnerGraph.ForegroundFinalizer, cancellationToken);
                return;
            }

            Look([.. blocking.Where(b => !b.IsDeletingDependents).Select(b => b.Uid)]);
        }

        private async Task OrphanAsync(GraphNode node, PartialObjectMetadata live, CancellationToken cancellationToken)
        {
            if (!_monitors.HasSynced)
            {
                // A dependent that is not known yet would be collected later for want of its owner, instead of being kept.
                throw new InvalidOperationException("Not every kind has been listed yet");
            }

            foreach (var dependent in _graph.Dependents(node.Uid))
            {
                if (await FetchAsync(dependent.Location, cancellationToken) is { } child && child.Metadata.Uid == dependent.Uid)
                {
                    var others = (child.Metadata.OwnerReferences ?? []).Where(o => o.Uid != node.Uid).ToList();
                    await _writer.PatchOwnersAsync(dependent.Location, child, others, cancellationToken);
                }
            }

            await _writer.DropFinalizerAsync(node.Location, live, OwnerGraph.OrphanFinalizer, cancellationToken);
        }

        private async Task<PartialObjectMetadata?> FetchAsync(ObjectLocation location, CancellationToken cancellationToken)
        {
            var path = location.Resource!.Path(location.Key.Namespace, location.Key.Name);
            // An owner that an old cache does not show may well exist.
            using var response = await _client.Confirmed().SendAsync(HttpMethod.Get, path, null, null, cancellationToken);
            var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            return response.StatusCode switch
            {
                HttpStatusCode.OK => ModelJson.Read<PartialObjectMetadata>(body),
                HttpStatusCode.NotFound when IsAbout(body, location) => null,
                _ => throw ApiException.From(response.StatusCode, body),
            };
        }

        /// <summary>Whether it is the object that is not found, and not its kind, its namespace or the server behind.</summary>
        private static bool IsAbout(byte[] body, ObjectLocation location) =>
            ApiException.From(HttpStatusCode.NotFound, body).Status.Details is { } details && details.Name == location.Key.Name && details.Kind == location.Resource!.Plural;
    }
}
