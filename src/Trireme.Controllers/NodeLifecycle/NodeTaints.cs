using Trireme.Api.Models.Core.V1;

namespace Trireme.Controllers.NodeLifecycle;

/// <summary>Which taints a node must carry for what its conditions say.</summary>
internal static class NodeTaints
{
    public const string NotReady = "node.kubernetes.io/not-ready";
    public const string Unreachable = "node.kubernetes.io/unreachable";
    public const string OutOfService = "node.kubernetes.io/out-of-service";
    private const string Unschedulable = "node.kubernetes.io/unschedulable";

    // Condition, the status that taints, the taint.
    private static readonly (string Condition, string Status, string Key)[] _byCondition =
    [
        ("Ready", "False", NotReady),
        ("Ready", "Unknown", Unreachable),
        ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
        ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
        ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
        ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ];

    /// <summary>The node's taints as they must be; null when they are.</summary>
    /// <param name="node">With its conditions.</param>
    /// <param name="mayEvict">Whether a node that is not ready may drive pods away: not while most nodes are silent.</param>
    /// <param name="now">Time added of new taints.</param>
    public static List<Taint>? Wanted(Node node, bool mayEvict, DateTimeOffset now)
    {
        var current = node.Spec?.Taints ?? [];
        var wanted = new List<(string Key, string Effect)>();
        foreach (var (condition, status, key) in _byCondition)
        {
            if (node.Status?.Conditions?.Find(c => c.Type == condition)?.Status == status)
            {
                wanted.Add((key, "NoSchedule"));

                // One that is there already stays: it is the reason why pods are going.
                if (key is NotReady or Unreachable && (mayEvict || current.Exists(t => t.Key == key && t.Effect == "NoExecute")))
                {
                    wanted.Add((key, "NoExecute"));
                }
            }
        }

        if (node.Spec?.Unschedulable == true)
        {
            wanted.Add((Unschedulable, "NoSchedule"));
        }

        var result = current.Where(t => !IsOurs(t) || wanted.Contains((t.Key!, t.Effect!))).ToList();
        foreach (var (key, effect) in wanted)
        {
            if (!result.Exists(t => t.Key == key && t.Effect == effect))
            {
                result.Add(new Taint { Key = key, Effect = effect, TimeAdded = now });
            }
        }

        return result.Count == current.Count && result.TrueForAll(current.Contains) ? null : result;
    }

    /// <summary>Whether the taint says that the node does not answer, rather than what an administrator wants.</summary>
    public static bool IsHealth(Taint taint) => taint.Key is NotReady or Unreachable;

    private static bool IsOurs(Taint taint) =>
        (taint.Effect == "NoSchedule" && (taint.Key == Unschedulable || Array.Exists(_byCondition, c => c.Key == taint.Key)))
        || (taint.Effect == "NoExecute" && IsHealth(taint));
}
