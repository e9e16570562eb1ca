using System.Text;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.NodeIpam;

/// <summary>Gives each node its part of the cluster's pod range, for good: <c>spec.podCIDR</c> never changes once set.</summary>
public sealed class NodeIpamController : Controller
{
    private readonly ISharedInformer<Node> _nodes;
    private readonly IEventRecorder _events;
    private readonly CidrSet _cidrs;

    // What was assigned and is perhaps not in the cache yet. One worker, so no lock.
    private readonly Dictionary<string, int> _assigned = new(StringComparer.Ordinal);
    private bool _isSeeded;

    public NodeIpamController(ControllerContext context)
        : base("node-ipam-controller", context, 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _cidrs = new CidrSet(context.Options.ClusterCidr, context.Options.NodeCidrMaskSize);
        _events = context.EventRecorder("cidrAllocator");
        _nodes = context.Informers.For<Node>();
        _nodes.AddEventHandler(new ResourceEventHandler<Node>(
            EnqueueWithout,
            (_, now) => EnqueueWithout(now),
            gone =>
            {
                Enqueue(gone);

                // A part is free again: nodes that found none may get it.
                foreach (var node in _nodes.Indexer.List())
                {
                    EnqueueWithout(node);
                }
            }));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_nodes.Indexer.Get(null, key.Name) is not { } node)
        {
            _assigned.Remove(key.Name);
            return ReconcileResult.Done;
        }

        if (!string.IsNullOrEmpty(node.Spec?.PodCIDR) || node.Metadata.DeletionTimestamp is not null)
        {
            return ReconcileResult.Done;
        }

        // What another manager gave away a moment before we took over may not be in the cache, and a range given twice stays so for good.
        await SeedAsync(cancellationToken);
        var used = _nodes.Indexer.List().Select(n => string.IsNullOrEmpty(n.Spec?.PodCIDR) ? null : _cidrs.IndexOf(n.Spec.PodCIDR)).OfType<int>().ToHashSet();
        used.UnionWith(_assigned.Where(a => a.Key != key.Name).Select(a => a.Value));
        var free = Enumerable.Range(0, _cidrs.Count).FirstOrDefault(i => !used.Contains(i), -1);
        if (free < 0)
        {
            _events.Event(node, "Normal", "CIDRNotAvailable", $"Node {key.Name} status is now: CIDRNotAvailable");
            return ReconcileResult.Done;
        }

        // The name is in the body so that it is this very node; its version, so that no other manager has assigned meanwhile.
        var cidr = _cidrs[free];
        var body = $$"""{"metadata":{"uid":"{{node.Metadata.Uid}}","resourceVersion":"{{node.Metadata.ResourceVersion}}"},"spec":{"podCIDR":"{{cidr}}","podCIDRs":["{{cidr}}"]} }""";
        _assigned[key.Name] = free;
        await Client.PatchAsync<Node>(null, key.Name, Patch.Merge(Encoding.UTF8.GetBytes(body)), null, cancellationToken);
        Logger.LogInformation("Node {Node} gets pod range {Cidr}", key.Name, cidr);
        return ReconcileResult.Done;
    }

    protected override void OnTermStarted()
    {
        _assigned.Clear();
        _isSeeded = false;
    }

    /// <summary>Once a term: the ranges of all nodes as the API knows them now.</summary>
    private async Task SeedAsync(CancellationToken cancellationToken)
    {
        if (_isSeeded)
        {
            return;
        }

        foreach (var node in (await Client.ListAsync<Node>(null, null, cancellationToken)).Items)
        {
            if (node.Spec?.PodCIDR is { Length: > 0 } cidr && _cidrs.IndexOf(cidr) is { } index)
            {
                _assigned[node.Metadata.Name!] = index;
            }
        }

        _isSeeded = true;
    }

    private void EnqueueWithout(Node node)
    {
        if (string.IsNullOrEmpty(node.Spec?.PodCIDR))
        {
            Enqueue(node);
        }
    }
}
