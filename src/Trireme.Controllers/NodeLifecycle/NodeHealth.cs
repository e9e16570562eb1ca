namespace Trireme.Controllers.NodeLifecycle;

/// <summary>Signs of life of all nodes, and what they mean. No clock, no API: observations in, verdicts out.</summary>
/// <remarks>
/// A sign of life is a change of the node's Lease or of its heartbeat, timed by when we saw it: clocks of nodes are not trusted, and of the time before we looked
/// nothing is known. So a node is silent at the earliest one grace period after a term began.
/// <para>
/// When no node is well at all it is not they that have failed but the way to them. Then nothing is done to pods: they serve on, and Services stay as they
/// are. A zone that is lost as a whole, while others answer, is lost. One that is lost for the most part has probably trouble with its network, and
/// its pods are evicted slowly or not at all. Nodes count as suspicious well before they count as silent, so that the first one
/// to pass the line is not punished while the others are seconds behind; and when the way is open again every node gets
/// its full grace period anew, so that the last one to report is not punished either.
/// </para>
/// </remarks>
internal sealed class NodeHealth(TimeSpan grace, TimeProvider time)
{
    /// <summary>From this share of impaired nodes on a zone is disrupted, as upstream's unhealthy-zone-threshold.</summary>
    private const double DisruptedShare = 0.55;

    /// <summary>Up to this many impaired nodes are no disruption of a zone, whatever the share: two machines may well die.</summary>
    private const int UndisruptedNodes = 2;

    // Nodes renew every 4 s (upstream 10 s): at half the grace period at least one renewal has failed to come.
    private readonly TimeSpan _suspiciousAfter = grace / 2;
    private readonly Dictionary<string, Seen> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ZoneState> _zones = new(StringComparer.Ordinal);
    private bool _isMassFailure;

    /// <summary>Notes a node's newest sign of life; a changed one counts from now.</summary>
    /// <param name="node">Name of the node.</param>
    /// <param name="zone">Where it stands; nodes without a zone share one.</param>
    /// <param name="sign">Anything that changes when the node shows that it lives.</param>
    /// <param name="isReady">False when the node itself says that it is not.</param>
    public void Observe(string node, string zone, string sign, bool isReady)
    {
        _nodes[node] = _nodes.TryGetValue(node, out var seen) && seen.Sign == sign
            ? seen with { Zone = zone, IsReady = isReady }
            : new Seen(sign, time.GetTimestamp(), zone, isReady, GivenGrace: false);
    }

    /// <summary>Forgets nodes that are gone.</summary>
    public void Retain(IReadOnlySet<string> nodes)
    {
        foreach (var gone in _nodes.Keys.Where(n => !nodes.Contains(n)).ToList())
        {
            _nodes.Remove(gone);
        }
    }

    /// <summary>Forgets all: a new term begins, and what happened before is unknown.</summary>
    public void Clear()
    {
        _nodes.Clear();
        _zones.Clear();
        _isMassFailure = false;
    }

    /// <summary>What can be said about the nodes now. Call after all were observed.</summary>
    public NodeVerdicts Judge()
    {
        // 1. The zones and the whole.
        var zones = _nodes.Values.GroupBy(n => n.Zone, StringComparer.Ordinal)
            .ToDictionary(z => z.Key, z => StateOf(z.Count(IsImpaired), z.Count()), StringComparer.Ordinal);
        var mass = zones.Count > 0 && zones.Values.All(z => z == ZoneState.Lost);

        // 2. Where it gets better, those who have not reported yet get time to.
        foreach (var (node, seen) in _nodes.Where(n => IsSuspicious(n.Value)).ToList())
        {
            var better = zones[seen.Zone] < _zones.GetValueOrDefault(seen.Zone);

            // A zone whose state swings must not save a dead node for ever.
            if ((_isMassFailure && !mass) || (better && !seen.GivenGrace))
            {
                _nodes[node] = seen with { At = time.GetTimestamp(), GivenGrace = true };
            }
        }

        _zones.Clear();
        foreach (var (zone, state) in zones)
        {
            _zones[zone] = state;
        }

        _isMassFailure = mass;
        return new NodeVerdicts(
            mass,
            _nodes.Count,
            _nodes.Where(n => time.GetElapsedTime(n.Value.At) > grace).Select(n => n.Key).ToHashSet(StringComparer.Ordinal),
            zones.Where(z => z.Value == ZoneState.Disrupted).Select(z => z.Key).ToHashSet(StringComparer.Ordinal));
    }

    private static ZoneState StateOf(int impaired, int all) =>
        impaired == all ? ZoneState.Lost
        : impaired > UndisruptedNodes && (double)impaired / all >= DisruptedShare ? ZoneState.Disrupted
        : ZoneState.Normal;

    private bool IsSuspicious(Seen node) => time.GetElapsedTime(node.At) > _suspiciousAfter;

    private bool IsImpaired(Seen node) => !node.IsReady || IsSuspicious(node);

    private enum ZoneState
    {
        Normal,
        Disrupted,
        Lost,
    }

    private readonly record struct Seen(string Sign, long At, string Zone, bool IsReady, bool GivenGrace);
}

/// <summary>What can be said about all nodes at a moment.</summary>
/// <param name="IsMassFailure">No node is well.</param>
/// <param name="Nodes">How many there are.</param>
/// <param name="Silent">Those that have given no sign of life for the grace period.</param>
/// <param name="DisruptedZones">Zones of which most nodes, but not all, are impaired.</param>
internal sealed record NodeVerdicts(bool IsMassFailure, int Nodes, IReadOnlySet<string> Silent, IReadOnlySet<string> DisruptedZones);
