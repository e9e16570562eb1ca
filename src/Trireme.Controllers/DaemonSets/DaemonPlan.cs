using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.DaemonSets;

/// <summary>What a DaemonSet needs on which node, at one moment: state in, creations and deletions out.</summary>
internal sealed class DaemonPlan
{
    private const string HashLabel = "controller-revision-hash";

    private readonly DaemonSet _set;
    private readonly string _hash;
    private readonly Func<string, TimeSpan> _untilRetry;
    private readonly DateTimeOffset _now;
    private readonly Dictionary<string, (bool Run, bool Continue)> _nodes;
    private readonly ILookup<string, Pod> _pods;

    /// <param name="set">What is wanted.</param>
    /// <param name="hash">Of its template.</param>
    /// <param name="nodes">All nodes.</param>
    /// <param name="pods">The pods of the set.</param>
    /// <param name="untilRetry">How long a failed pod of a node must still stay before another may follow.</param>
    /// <param name="now">The time.</param>
    public DaemonPlan(DaemonSet set, string hash, IReadOnlyCollection<Node> nodes, IReadOnlyCollection<Pod> pods, Func<string, TimeSpan> untilRetry, DateTimeOffset now)
    {
        (_set, _hash, _untilRetry, _now) = (set, hash, untilRetry, now);
        _nodes = nodes.Where(n => n.Metadata.DeletionTimestamp is null).ToDictionary(n => n.Metadata.Name!, n => NodeFit.Decide(set.Spec!.Template!.Spec!, n), StringComparer.Ordinal);
        _pods = pods.Where(p => NodeFit.TargetOf(p) is not null).ToLookup(p => NodeFit.TargetOf(p)!, StringComparer.Ordinal);
        LookAgain = pods.Select(p => p.UntilAvailable(MinReady, _now)).Where(t => t > TimeSpan.Zero).Min();
    }

    /// <summary>Nodes that need a pod.</summary>
    public List<string> Create { get; } = [];

    public List<Pod> Delete { get; } = [];

    /// <summary>Nodes on which a failed pod makes room for another.</summary>
    public List<string> Retry { get; } = [];

    /// <summary>When a pod turns available, or a failed one may be replaced, by the passing of time.</summary>
    public TimeSpan? LookAgain { get; private set; }

    private int MinReady => _set.Spec!.MinReadySeconds;

    public void Decide()
    {
        var rolling = _set.Spec!.UpdateStrategy?.Type is not DaemonSetUpdateStrategyType.OnDelete;
        var settings = _set.Spec.UpdateStrategy?.RollingUpdate;
        var desired = _nodes.Count(n => n.Value.Run);
        var surge = (settings?.MaxSurge ?? 0).Scaled(desired, roundUp: true);
        var unavailable = (settings?.MaxUnavailable ?? 1).Scaled(desired, roundUp: true);
        if (surge == 0 && unavailable == 0)
        {
            unavailable = 1;
        }

        // What is unavailable already uses up what may be; what surges already, the surge.
        var budget = unavailable - _nodes.Count(n => n.Value.Run && !_pods[n.Key].Any(IsAvailable));
        var surgeBudget = surge - _nodes.Count(n => n.Value.Run && _pods[n.Key].Count(p => p.IsActive()) > 1);
        foreach (var (node, (run, stay)) in _nodes.OrderBy(n => n.Key, StringComparer.Ordinal))
        {
            var alive = _pods[node].Where(p => p.Metadata.DeletionTimestamp is null).ToList();
            if (!stay)
            {
                Delete.AddRange(alive);
                continue;
            }

            // One that ended makes room for another; if it failed, not at once: a pod that a node refuses would come and go many times a second.
            var waits = alive.Exists(HasFailed) && !MayRetry(node);
            Delete.AddRange(alive.Where(p => p.IsTerminal() && !(waits && HasFailed(p))));
            alive.RemoveAll(p => p.IsTerminal());
            var fresh = alive.Where(IsFresh).OrderBy(p => p.Metadata.CreationTimestamp).ToList();
            var old = alive.Where(p => !IsFresh(p)).OrderBy(p => p.Metadata.CreationTimestamp).ToList();
            Delete.AddRange(fresh.Skip(1));
            Delete.AddRange(old.Skip(1));
            if (alive.Count == 0)
            {
                // One that is still ending keeps its place, its ports and its files.
                if (run && !waits && !_pods[node].Any(p => p.Metadata.DeletionTimestamp is not null))
                {
                    Create.Add(node);
                }
            }
            else if (old.Count > 0 && (rolling || fresh.Count > 0))
            {
                Replace(node, old[0], fresh.FirstOrDefault(), surge > 0, ref budget, ref surgeBudget);
            }
        }

        // Pods of nodes that are gone are the pod garbage collector's, but of one that never got there it knows nothing.
        Delete.AddRange(_pods.Where(p => !_nodes.ContainsKey(p.Key)).SelectMany(p => p)
            .Where(p => string.IsNullOrEmpty(p.Spec?.NodeName) && p.Metadata.DeletionTimestamp is null));
    }

    public DaemonSetStatus Measure()
    {
        var status = new DaemonSetStatus
        {
            ObservedGeneration = _set.Metadata.Generation,
            CollisionCount = _set.Status?.CollisionCount,
            Conditions = _set.Status?.Conditions,
        };
        foreach (var (node, (run, _)) in _nodes)
        {
            var pods = _pods[node].Where(p => p.IsActive()).ToList();
            if (!run)
            {
                status.NumberMisscheduled += pods.Count > 0 ? 1 : 0;
                continue;
            }

            status.DesiredNumberScheduled++;
            status.CurrentNumberScheduled += pods.Count > 0 ? 1 : 0;
            status.NumberReady += pods.Exists(p => p.IsReady()) ? 1 : 0;
            status.NumberAvailable += pods.Exists(IsAvailable) ? 1 : 0;
            status.UpdatedNumberScheduled += pods.Exists(IsFresh) ? 1 : 0;
        }

        status.NumberUnavailable = status.DesiredNumberScheduled - status.NumberAvailable;
        return status;
    }

    private bool MayRetry(string node)
    {
        var wait = _untilRetry(node);
        if (wait > TimeSpan.Zero)
        {
            LookAgain = LookAgain is { } earlier && earlier < wait ? earlier : wait;
            return false;
        }

        Retry.Add(node);
        return true;
    }

    private void Replace(string node, Pod old, Pod? fresh, bool surging, ref int budget, ref int surgeBudget)
    {
        if (!IsAvailable(old) || (fresh is not null && IsAvailable(fresh)))
        {
            // It serves nobody, or somebody else serves in its place.
            Delete.Add(old);
        }
        else if (surging && fresh is null && surgeBudget > 0)
        {
            surgeBudget--;
            Create.Add(node);
        }
        else if (!surging && budget > 0)
        {
            budget--;
            Delete.Add(old);
        }
    }

    private static bool HasFailed(Pod pod) => pod.Status?.Phase == PodPhase.Failed;

    private bool IsFresh(Pod pod) => pod.Metadata.Labels?.GetValueOrDefault(HashLabel) == _hash;

    private bool IsAvailable(Pod pod) => pod.Metadata.DeletionTimestamp is null && pod.IsAvailable(MinReady, _now);
}
