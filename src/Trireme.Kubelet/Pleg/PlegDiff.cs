using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Pleg;

/// <summary>What the runtime had at one moment: the states of all sandboxes and containers, and whose they are.</summary>
public sealed record PlegSnapshot(IReadOnlyDictionary<string, (string PodUid, int State)> Parts)
{
    public static PlegSnapshot Empty { get; } = new(new Dictionary<string, (string, int)>());

    public static PlegSnapshot Of(IEnumerable<PodSandbox> sandboxes, IEnumerable<Container> containers)
    {
        var parts = new Dictionary<string, (string, int)>(StringComparer.Ordinal);
        foreach (var sandbox in sandboxes)
        {
            parts["s:" + sandbox.Id] = (Uid(sandbox.Labels), (int)sandbox.State);
        }

        foreach (var container in containers)
        {
            parts["c:" + container.Id] = (Uid(container.Labels), (int)container.State);
        }

        return new PlegSnapshot(parts);
    }

    private static string Uid(IDictionary<string, string> labels) => labels.TryGetValue(RuntimeLabels.PodUid, out var uid) ? uid : "";
}

/// <summary>Finds the pods of which something came, went or changed its state between two looks. Values in, values out.</summary>
public static class PlegDiff
{
    /// <summary>Uids of those pods, each once.</summary>
    public static IReadOnlyCollection<string> ChangedPods(PlegSnapshot before, PlegSnapshot after)
    {
        var changed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (id, part) in after.Parts)
        {
            if (!before.Parts.TryGetValue(id, out var old) || old.State != part.State)
            {
                changed.Add(part.PodUid);
            }
        }

        foreach (var (id, part) in before.Parts)
        {
            if (!after.Parts.ContainsKey(id))
            {
                changed.Add(part.PodUid);
            }
        }

        changed.Remove("");
        return changed;
    }
}
