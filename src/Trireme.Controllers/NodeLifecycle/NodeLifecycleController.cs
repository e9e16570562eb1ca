using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Component.Lifetime;
using Trireme.Controllers.Runtime;
using Trireme.Primitives;

namespace Trireme.Controllers.NodeLifecycle;

/// <summary>Notices nodes that no longer answer, says so in their conditions and taints, and takes their pods out of Services.</summary>
/// <remarks>
/// Every few seconds: 1. look at all signs of life (<see cref="NodeHealth"/>). 2. A silent node's conditions turn Unknown. For a node, as
/// soon as its conditions change: 3. set the taints that they call for (<see cref="NodeTaints"/>); NoExecute at a limited rate, and only if its pods may be
/// evicted (<see cref="NodeDisruption"/>). 4. Mark its pods not ready, unless no node is well. Evicting is <see cref="TaintEvictionController"/>'s.
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
    private readonly RateLimiter _slowEvictionRate;

    public NodeLifecycleController(ControllerContext context, NodeDisruption disruption)
        : base("node-lifecycle-controller", context, 4)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(disruption);
        _disruption = disruption;
        disruption.AwaitJudge();
        _health = new NodeHealth(context.Options.NodeMonitorGracePeriod, context.TimeProvider);

        // A whole zone of a small cluster may be given up at once; in a large one a node every ten seconds, as upstream.
        _evictionRate = new RateLimiter(0.1, 5, context.TimeProvider);
        _slowEvictionRate = new RateLimiter(0.01, 1, context.TimeProvider);
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
        var measures = _disruption.MeasuresFor(node);
        var mayEvict = measures >= PodMeasures.EvictSlowly;
        var result = ReconcileResult.Done;
        if (mayEvict && !HasNoExecute(node) && !(measures == PodMeasures.Evict ? _evictionRate : _slowEvictionRate).TryAcquire())
        {
            mayEvict = false;
            result = ReconcileResult.After(TimeSpan.FromSeconds(2));
        }

        if (NodeTaints.Wanted(node, mayEvict, Time.GetUtcNow()) is { } taints)
        {
            await Client.PatchAsync<Node>(null, key.Name, TaintsPatch(node, taints), null, cancellationToken);
        }

        // 4.
        if (measures >= PodMeasures.MarkNotReady)
        {
            await MarkPodsNotReadyAsync(node, cancellationToken);
        }

        return result;
    }

    // What this process did not see as leader it does not hold against a node.
    protected override void OnTermStarted() => _health.Clear();

    protected override async Task RunBackgroundAsync(CancellationToken cancellationToken)
    {
        using var watch = new HaltWatch(Time);
        var halts = 0;
        await EveryAsync(
            Context.Options.NodeMonitorPeriod,
            stop =>
            {
                if (watch.Halts is var now && now != halts)
                {
                    // A process that stood still saw nothing; what did not reach it is no silence of the nodes'.
                    halts = now;
                    _health.Clear();
                }

                return MonitorAsync(stop);
            },
            cancellationToken);

        // What held in this term says nothing about the beginning of the next.
        _disruption.Update(null, Time.GetTimestamp());
    }

    /// <summary>One look at all nodes.</summary>
    internal async Task MonitorAsync(CancellationToken cancellationToken)
    {
        // 1.
        var nodes = _nodes.Indexer.List();
        _health.Retain(nodes.Select(n => n.Metadata.Name!).ToHashSet(StringComparer.Ordinal));
        foreach (var node in nodes)
        {
            _health.Observe(node.Metadata.Name!, NodeDisruption.ZoneOf(node), SignOfLife(node), Ready(node) is not "False");
        }

        var verdicts = _health.Judge();
        if (_disruption.Update(verdicts, Time.GetTimestamp()))
        {
            Logger.LogWarning("{State}", verdicts.IsMassFailure
                ? "No node is well: taking that for a failure between them and the API, pods are left alone"
                : "Nodes answer again");
        }

        // 2.
        foreach (var node in nodes)
        {
            var isSilent = verdicts.Silent.Contains(node.Metadata.Name!);
            if (isSilent && NeedsUnknown(node))
            {
                await SetUnknownAsync(node, cancellationToken);
            }
            else if (isSilent || Ready(node) is "False")
            {
                // Again and again: what was held back by the rate or by a mass failure is due some time.
                Enqueue(node);
            }
        }
    }

    private static string? Ready(Node node) => node.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status;

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
