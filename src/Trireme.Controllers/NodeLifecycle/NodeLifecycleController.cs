using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;
using Trireme.Primitives;

namespace Trireme.Controllers.NodeLifecycle;

/// <summary>Notices nodes that no longer answer, says so in their conditions and taints, and takes their pods out of Services.</summary>
/// <remarks>
/// Every few seconds: 1. look at all signs of life (<see cref="NodeHealth"/>). 2. A silent node's conditions turn Unknown. For a node, as
/// soon as its conditions change: 3. set the taints that they call for (<see cref="NodeTaints"/>); NoExecute at a limited rate, and not at all while most
/// nodes are silent. 4. Mark its pods not ready, with the same exception. Evicting is <see cref="TaintEvictionController"/>'s.
/// </remarks>
public sealed class NodeLifecycleController : Controller
{
    public const string ByNode = "node";
    private const string LeaseNamespace = "kube-node-lease";

    // Conditions that only the kubelet can vouch for.
    private static readonly string[] _kubeletConditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

    private readonly ISharedInformer<Node> _nodes;
    private readonly ISharedInformer<Lease> _leases;
    private readonly ISharedInformer<Pod> _pods;
    private readonly IEventRecorder _events;
    private readonly NodeHealth _health;
    private readonly NodeDisruption _disruption;
    private readonly RateLimiter _evictionRate;

    public NodeLifecycleController(ControllerContext context, NodeDisruption disruption)
        : base("node-lifecycle-controller", context, 4)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(disruption);
        _disruption = disruption;
        _health = new NodeHealth(context.Options.NodeMonitorGracePeriod, context.TimeProvider);

        // A whole zone of a small cluster may be given up at once; in a large one a node every ten seconds, as upstream.
        _evictionRate = new RateLimiter(0.1, 5, context.TimeProvider);
        _events = context.EventRecorder("node-controller");
        _nodes = context.Informers.For<Node>();
        _pods = context.Informers.For<Pod>();
        _leases = context.Informers.Filtered<Lease>(LeaseNamespace, new ListOptions());
        AddNodeIndex(_pods);
        _nodes.AddEventHandler(new ResourceEventHandler<Node>(Enqueue, OnNodeUpdated));
    }

    /// <summary>Adds the index of pods by node.</summary>
    public static void AddNodeIndex(ISharedInformer<Pod> pods)
    {
        ArgumentNullException.ThrowIfNull(pods);
        pods.Indexer.AddIndex(ByNode, static pod => string.IsNullOrEmpty(pod.Spec?.NodeName) ? [] : [pod.Spec.NodeName]);
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_nodes.Indexer.Get(null, key.Name) is not { Metadata.DeletionTimestamp: null } node)
        {
            return ReconcileResult.Done;
        }

        // 3.
        var ready = node.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status;
        var mayEvict = !_disruption.IsMassFailure;
        var result = ReconcileResult.Done;
        if (mayEvict && ready is "False" or "Unknown" && !HasNoExecute(node) && !_evictionRate.TryAcquire())
        {
            mayEvict = false;
            result = ReconcileResult.After(TimeSpan.FromSeconds(2));
        }

        if (NodeTaints.Wanted(node, mayEvict, Time.GetUtcNow()) is { } taints)
        {
            await Client.PatchAsync<Node>(null, key.Name, TaintsPatch(node, taints), null, cancellationToken);
        }

        // 4.
        if (ready is "False" or "Unknown" && !_disruption.IsMassFailure)
        {
            await MarkPodsNotReadyAsync(node, cancellationToken);
        }

        return result;
    }

    protected override void OnTermStarted()
    {
        // What this process did not see as leader it does not hold against a node.
        _health.Clear();
        _disruption.IsMassFailure = false;
    }

    protected override Task RunBackgroundAsync(CancellationToken cancellationToken) =>
        EveryAsync(Context.Options.NodeMonitorPeriod, MonitorAsync, cancellationToken);

    /// <summary>One look at all nodes.</summary>
    internal async Task MonitorAsync(CancellationToken cancellationToken)
    {
        // 1.
        var nodes = _nodes.Indexer.List();
        _health.Retain(nodes.Select(n => n.Metadata.Name!).ToHashSet(StringComparer.Ordinal));
        foreach (var node in nodes)
        {
            _health.Observe(node.Metadata.Name!, SignOfLife(node));
        }

        var silent = _health.Silent();
        if (_health.IsMassFailure != _disruption.IsMassFailure)
        {
            _disruption.IsMassFailure = _health.IsMassFailure;
            Logger.LogWarning("{State}", _health.IsMassFailure
                ? "Most nodes are silent: taking that for a failure between them and the API, pods are left alone"
                : "Most nodes answer again");
        }

        // 2.
        foreach (var node in nodes)
        {
            var isSilent = silent.Contains(node.Metadata.Name!);
            if (isSilent && NeedsUnknown(node))
            {
                await SetUnknownAsync(node, cancellationToken);
            }
            else if (isSilent || node.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status is "False")
            {
                // Again and again: what was held back by the rate or by a mass failure is due some time.
                Enqueue(node);
            }
        }
    }

    private string SignOfLife(Node node)
    {
        var lease = _leases.Indexer.Get(LeaseNamespace, node.Metadata.Name!);
        var heartbeat = node.Status?.Conditions?.Find(c => c.Type == "Ready" && c.Reason != "NodeStatusUnknown")?.LastHeartbeatTime;
        return $"{lease?.Spec?.RenewTime:O}|{heartbeat:O}|{node.Metadata.Uid}";
    }

    private static bool NeedsUnknown(Node node) =>
        Array.Exists(_kubeletConditions, type => node.Status?.Conditions?.Find(c => c.Type == type) is { } condition ? condition.Status != "Unknown" : type == "Ready");

    private async Task SetUnknownAsync(Node node, CancellationToken cancellationToken)
    {
        var now = Time.GetUtcNow();
        var changed = node.Clone();
        var conditions = (changed.Status ??= new NodeStatus()).Conditions ??= [];
        foreach (var type in _kubeletConditions)
        {
            var condition = conditions.Find(c => c.Type == type);
            if (condition?.Status == "Unknown" || (condition is null && type != "Ready"))
            {
                continue;
            }

            var never = condition is null;
            if (condition is null)
            {
                conditions.Add(condition = new NodeCondition { Type = type, LastHeartbeatTime = node.Metadata.CreationTimestamp });
            }

            condition.Status = "Unknown";
            condition.Reason = never ? "NodeStatusNeverUpdated" : "NodeStatusUnknown";
            condition.Message = never ? "Kubelet never posted node status." : "Kubelet stopped posting node status.";
            condition.LastTransitionTime = now;
        }

        try
        {
            await Client.UpdateStatusAsync(changed, cancellationToken);
            Logger.LogWarning("Node {Node} is silent, its conditions are now Unknown", node.Metadata.Name);
            _events.Event(node, "Normal", "NodeNotReady", $"Node {node.Metadata.Name} status is now: NodeNotReady");
        }
        catch (ApiException e) when (e.IsConflict || e.IsNotFound)
        {
            // It changed meanwhile, which may well be a sign of life: the next look decides.
            Logger.LogDebug("Node {Node}: {Reason}", node.Metadata.Name, e.Message);
        }
    }

    private async Task MarkPodsNotReadyAsync(Node node, CancellationToken cancellationToken)
    {
        foreach (var pod in _pods.Indexer.ByIndex(ByNode, node.Metadata.Name!))
        {
            if (!pod.IsReady())
            {
                continue;
            }

            var changed = pod.Clone();
            var condition = changed.Condition("Ready")!;
            condition.Status = "False";
            condition.LastTransitionTime = Time.GetUtcNow();
            try
            {
                await Client.UpdateStatusAsync(changed, cancellationToken);
                _events.Event(pod, "Warning", "NodeNotReady", "Node is not ready");
            }
            catch (ApiException e) when (e.IsNotFound)
            {
                // Gone is not ready enough.
            }
        }
    }

    private void OnNodeUpdated(Node old, Node now)
    {
        if (!SameConditions(old, now) || old.Spec?.Unschedulable != now.Spec?.Unschedulable || (old.Spec?.Taints?.Count ?? 0) != (now.Spec?.Taints?.Count ?? 0))
        {
            Enqueue(now);
        }
    }

    private static bool SameConditions(Node old, Node now)
    {
        static IEnumerable<(string?, string?)> Of(Node node) => (node.Status?.Conditions ?? []).Select(c => (c.Type, c.Status));
        return Of(old).SequenceEqual(Of(now));
    }

    private static bool HasNoExecute(Node node) => node.Spec?.Taints?.Exists(t => t.Effect == "NoExecute" && NodeTaints.IsHealth(t)) == true;

    private static Patch TaintsPatch(Node node, List<Taint> taints)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("metadata"u8);
            writer.WriteString("uid"u8, node.Metadata.Uid);
            writer.WriteString("resourceVersion"u8, node.Metadata.ResourceVersion);
            writer.WriteEndObject();
            writer.WriteStartObject("spec"u8);
            writer.WriteStartArray("taints"u8);
            taints.ForEach(t => t.Write(writer));
            writer.WriteEndArray();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return Patch.Merge(buffer.WrittenMemory);
    }
}
