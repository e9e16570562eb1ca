using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.NodeLifecycle;

/// <summary>Deletes pods from nodes whose NoExecute taints they do not tolerate, or no longer: each after the seconds that its tolerations grant.</summary>
/// <remarks>
/// The seconds count from when this process first saw the taint, on standby too, or from the end of a mass failure; clocks of other machines play no part.
/// Nobody is evicted for a node's silence as long as that may mean something else (<see cref="NodeDisruption"/>). A pod that a lost node never acknowledged
/// has nothing to wait for and goes at once, where Kubernetes would let it hang for the five minutes of its default toleration.
/// </remarks>
public sealed class TaintEvictionController : Controller
{
    private static readonly TimeSpan _lookAgain = TimeSpan.FromSeconds(5);

    private readonly ISharedInformer<Node> _nodes;
    private readonly ISharedInformer<Pod> _pods;
    private readonly IEventRecorder _events;
    private readonly NodeDisruption _disruption;

    // First sight of each NoExecute taint; written by informer handlers, read by workers.
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Node, string Key), long> _seen = [];

    public TaintEvictionController(ControllerContext context, NodeDisruption disruption)
        : base("taint-eviction-controller", context, 4)
    {
        ArgumentNullException.ThrowIfNull(context);
        _disruption = disruption;
        _events = context.EventRecorder("taint-eviction-controller");
        _nodes = context.Informers.For<Node>();
        _pods = context.Informers.For<Pod>();
        NodeLifecycleController.AddNodeIndex(_pods);
        _nodes.AddEventHandler(new ResourceEventHandler<Node>(
            OnNode,
            (old, now) =>
            {
                if (!Keys(old).SequenceEqual(Keys(now)))
                {
                    OnNode(now);
                }
            },
            gone => Forget(gone.Metadata.Name!, [])));
        _pods.AddEventHandler(new ResourceEventHandler<Pod>(
            OnPod,
            (old, now) =>
            {
                if (old.Spec?.NodeName != now.Spec?.NodeName || (old.Spec?.Tolerations?.Count ?? 0) != (now.Spec?.Tolerations?.Count ?? 0))
                {
                    OnPod(now);
                }
            }));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_pods.Indexer.Get(key.Namespace, key.Name) is not { Metadata.DeletionTimestamp: null } pod
            || string.IsNullOrEmpty(pod.Spec?.NodeName)
            || _nodes.Indexer.Get(null, pod.Spec.NodeName) is not { } node)
        {
            return ReconcileResult.Done;
        }

        var isHeld = _disruption.MeasuresFor(node) == PodMeasures.None && NoExecute(node).Any(NodeTaints.IsHealth);
        var left = Until(node, pod, isHeld);
        if (left is null || left > TimeSpan.Zero)
        {
            return new ReconcileResult(left).Or(isHeld ? _lookAgain : null);
        }

        _events.Event(pod, "Normal", "TaintManagerEviction", $"Marking for deletion Pod {key}");
        await NoteDisruptionAsync(pod, cancellationToken);
        await Client.DeleteAsync<Pod>(key.Namespace, key.Name, new DeleteRequest(PreconditionUid: pod.Metadata.Uid), cancellationToken);
        return ReconcileResult.Done;
    }

    /// <summary>How long the pod may stay; null for ever.</summary>
    private TimeSpan? Until(Node node, Pod pod, bool exceptHealth)
    {
        TimeSpan? shortest = null;
        foreach (var taint in NoExecute(node).Where(t => !exceptHealth || !NodeTaints.IsHealth(t)))
        {
            var granted = Tolerated(taint, pod.Spec!.Tolerations ?? []);
            if (granted is null)
            {
                continue;
            }

            // The kubelet of a node that then fell silent never said that it took the pod: there is no work to wait for.
            if (taint.Key == NodeTaints.Unreachable && pod.Status?.StartTime is null)
            {
                granted = TimeSpan.Zero;
            }

            // While no node was well no time passed.
            var since = FirstSeen(node.Metadata.Name!, taint.Key!);
            since = NodeTaints.IsHealth(taint) ? Math.Max(since, _disruption.CalmSince) : since;
            var left = granted.Value - Time.GetElapsedTime(since);
            shortest = shortest is { } other && other < left ? other : left;
        }

        return shortest;
    }

    /// <summary>Time for which a pod tolerates a taint; zero when it does not, null when it always does.</summary>
    private static TimeSpan? Tolerated(Taint taint, List<Toleration> tolerations)
    {
        var matching = tolerations.Where(t => Matches(t, taint)).ToList();
        if (matching.Count == 0)
        {
            return TimeSpan.Zero;
        }

        var limited = matching.Select(t => t.TolerationSeconds).OfType<long>().ToList();
        return limited.Count == 0 ? null : TimeSpan.FromSeconds(Math.Clamp(limited.Min(), 0, int.MaxValue));
    }

    private static bool Matches(Toleration toleration, Taint taint) =>
        (string.IsNullOrEmpty(toleration.Effect) || toleration.Effect == taint.Effect)
        && (string.IsNullOrEmpty(toleration.Key) ? toleration.Operator == "Exists" : toleration.Key == taint.Key)
        && (toleration.Operator == "Exists" || (toleration.Value ?? "") == (taint.Value ?? ""));

    private async Task NoteDisruptionAsync(Pod pod, CancellationToken cancellationToken)
    {
        var changed = pod.Clone();
        var conditions = (changed.Status ??= new PodStatus()).Conditions ??= [];
        conditions.RemoveAll(c => c.Type == "DisruptionTarget");
        conditions.Add(new PodCondition
        {
            Type = "DisruptionTarget",
            Status = "True",
            Reason = "DeletionByTaintManager",
            Message = "Taint manager: deleting due to NoExecute taint",
            LastTransitionTime = Time.GetUtcNow(),
        });
        try
        {
            await Client.UpdateStatusAsync(changed, cancellationToken);
        }
        catch (ApiException e) when (e.IsConflict || e.IsNotFound)
        {
            // The condition explains; the deletion is what counts.
        }
    }

    private void OnNode(Node node)
    {
        var keys = Keys(node).ToList();
        Forget(node.Metadata.Name!, keys);
        keys.ForEach(k => FirstSeen(node.Metadata.Name!, k));
        if (keys.Count > 0)
        {
            foreach (var pod in _pods.Indexer.ByIndex(NodeLifecycleController.ByNode, node.Metadata.Name!))
            {
                Enqueue(pod);
            }
        }
    }

    private void OnPod(Pod pod)
    {
        if (pod.Spec?.NodeName is { Length: > 0 } name && _nodes.Indexer.Get(null, name) is { } node && NoExecute(node).Any())
        {
            Enqueue(pod);
        }
    }

    private long FirstSeen(string node, string key)
    {
        lock (_lock)
        {
            if (!_seen.TryGetValue((node, key), out var at))
            {
                _seen[(node, key)] = at = Time.GetTimestamp();
            }

            return at;
        }
    }

    private void Forget(string node, List<string> except)
    {
        lock (_lock)
        {
            foreach (var gone in _seen.Keys.Where(s => s.Node == node && !except.Contains(s.Key)).ToList())
            {
                _seen.Remove(gone);
            }
        }
    }

    private static IEnumerable<Taint> NoExecute(Node node) => (node.Spec?.Taints ?? []).Where(t => t.Effect == "NoExecute");

    private static IEnumerable<string> Keys(Node node) => NoExecute(node).Select(t => t.Key!).Order(StringComparer.Ordinal);
}
