using Trireme.Api.Models.Core.V1;

namespace Trireme.Controllers.NodeLifecycle;

/// <summary>What may be done to the pods of a node; each includes those before it.</summary>
internal enum PodMeasures
{
    /// <summary>Leave them alone: the node is well, or nothing is known, or the fault lies elsewhere.</summary>
    None,

    /// <summary>Take them out of Services.</summary>
    MarkNotReady,

    /// <summary>Evict them, at the rate for zones that are in trouble as a whole.</summary>
    EvictSlowly,

    Evict,
}

/// <summary>What the node lifecycle controller tells the one that evicts: whether the silence of nodes means anything now.</summary>
/// <remarks>Nothing is done before the first verdicts of a term. Thread-safe.</remarks>
public sealed class NodeDisruption
{
    private const string ZoneLabel = "topology.kubernetes.io/zone";
    private const string RegionLabel = "topology.kubernetes.io/region";

    /// <summary>In a cluster of at most so many nodes nothing is evicted from a disrupted zone, as upstream's large-cluster-size-threshold.</summary>
    private const int SmallCluster = 50;

    private volatile NodeVerdicts? _verdicts;
    private volatile bool _hasJudge;
    private long _calmSince;

    /// <summary>When the last mass failure ended, as a timestamp; 0 when there was none in this term.</summary>
    internal long CalmSince => Volatile.Read(ref _calmSince);

    internal static string ZoneOf(Node node)
    {
        var labels = node.Metadata.Labels ?? [];
        return $"{labels.GetValueOrDefault(RegionLabel)}/{labels.GetValueOrDefault(ZoneLabel)}";
    }

    /// <summary>Somebody will judge: until then nothing is done. Without a judge every taint is taken for what it says.</summary>
    internal void AwaitJudge() => _hasJudge = true;

    /// <summary>Takes in new verdicts; null at the end of a term.</summary>
    /// <returns>Whether a mass failure began or ended.</returns>
    internal bool Update(NodeVerdicts? verdicts, long now)
    {
        var before = _verdicts?.IsMassFailure == true;
        if (verdicts is null)
        {
            Volatile.Write(ref _calmSince, 0);
        }
        else if (before && !verdicts.IsMassFailure)
        {
            Volatile.Write(ref _calmSince, now);
        }

        _verdicts = verdicts;
        return before != (verdicts?.IsMassFailure == true);
    }

    /// <summary>What may be done to the pods of a node, by its conditions and by the last verdicts.</summary>
    internal PodMeasures MeasuresFor(Node node)
    {
        if (!_hasJudge)
        {
            return PodMeasures.Evict;
        }

        var ready = node.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status;
        if (_verdicts is not { IsMassFailure: false } verdicts || ready is not ("False" or "Unknown")
            || (ready == "Unknown" && !verdicts.Silent.Contains(node.Metadata.Name!)))
        {
            return PodMeasures.None;
        }

        return !verdicts.DisruptedZones.Contains(ZoneOf(node)) ? PodMeasures.Evict
            : verdicts.Nodes > SmallCluster ? PodMeasures.EvictSlowly
            : PodMeasures.MarkNotReady;
    }
}
