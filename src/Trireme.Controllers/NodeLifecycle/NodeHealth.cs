namespace Trireme.Controllers.NodeLifecycle;

/// <summary>Signs of life of all nodes, and what they mean. No clock, no API: observations in, verdicts out.</summary>
/// <remarks>
/// A sign of life is a change of the node's Lease or of its heartbeat, timed by when we saw it: clocks of nodes are not trusted.
/// <para>
/// When most nodes fall silent together it is not they that have failed but the way to them. Then nothing is done to pods: they
/// serve on, and Services stay as they are. Nodes count as suspicious well before they count as silent, so that the first one
/// to pass the line is not punished while the others are seconds behind; and when the way is open again every node gets
/// its full grace period anew, so that the last one to report is not punished either.
/// </para>
/// </remarks>
internal sealed class NodeHealth(TimeSpan grace, TimeProvider time)
{
    /// <summary>More than this share of suspicious nodes is a failure of the network or the control plane, as upstream's unhealthy-zone-threshold.</summary>
    private const double MassThreshold = 0.55;

    // Nodes renew every 4 s (upstream 10 s): at half the grace period at least one renewal has failed to come.
    private readonly TimeSpan _suspiciousAfter = grace / 2;
    private readonly Dictionary<string, Seen> _nodes = new(StringComparer.Ordinal);

    /// <summary>Whether so many nodes are suspicious that the fault must lie elsewhere.</summary>
    public bool IsMassFailure { get; private set; }

    /// <summary>Notes a node's newest sign of life; a changed one counts from now.</summary>
    public void Observe(string node, string sign)
    {
        if (!_nodes.TryGetValue(node, out var seen) || seen.Sign != sign)
        {
            _nodes[node] = new Seen(sign, time.GetTimestamp());
        }
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
        IsMassFailure = false;
    }

    /// <summary>The nodes that have been silent for the grace period. Call after all were observed.</summary>
    public IReadOnlySet<string> Silent()
    {
        var suspicious = _nodes.Where(n => time.GetElapsedTime(n.Value.At) > _suspiciousAfter).Select(n => n.Key).ToList();
        var mass = suspicious.Count > 0 && (double)suspicious.Count / _nodes.Count > MassThreshold;
        if (IsMassFailure && !mass)
        {
            foreach (var node in suspicious)
            {
                _nodes[node] = _nodes[node] with { At = time.GetTimestamp() };
            }
        }

        IsMassFailure = mass;
        return _nodes.Where(n => time.GetElapsedTime(n.Value.At) > grace).Select(n => n.Key).ToHashSet(StringComparer.Ordinal);
    }

    private readonly record struct Seen(string Sign, long At);
}
