using System.Runtime.InteropServices;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.InterPodAffinity;

/// <summary>Sums per topology domain: by topology key, then by the value that nodes of the domain have for it.</summary>
internal sealed class TopologyCounts
{
    private readonly Dictionary<string, Dictionary<string, long>> _counts = new(StringComparer.Ordinal);

    /// <summary>Whether no domain has anything.</summary>
    public bool IsEmpty => _counts.Count == 0;

    /// <summary>Adds to the domain of the node; a node without the label is in none.</summary>
    public void Add(string topologyKey, NodeInfo node, long change)
    {
        if (!node.Labels.TryGetValue(topologyKey, out var value))
        {
            return;
        }

        if (!_counts.TryGetValue(topologyKey, out var values))
        {
            _counts[topologyKey] = values = new Dictionary<string, long>(StringComparer.Ordinal);
        }

        ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(values, value, out _);
        count += change;
        if (count != 0)
        {
            return;
        }

        // Empty domains are dropped, so that IsEmpty stays true to its word when pods are taken away.
        values.Remove(value);
        if (values.Count == 0)
        {
            _counts.Remove(topologyKey);
        }
    }

    public long CountAt(string topologyKey, NodeInfo node) =>
        _counts.TryGetValue(topologyKey, out var values) && node.Labels.TryGetValue(topologyKey, out var value)
            ? values.GetValueOrDefault(value)
            : 0;

    /// <summary>Whether any domain of the node has something.</summary>
    public bool AnyAt(NodeInfo node)
    {
        foreach (var (key, values) in _counts)
        {
            if (node.Labels.TryGetValue(key, out var value) && values.GetValueOrDefault(value) > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The sum over all topology keys.</summary>
    public long SumAt(NodeInfo node)
    {
        long sum = 0;
        foreach (var (key, values) in _counts)
        {
            if (node.Labels.TryGetValue(key, out var value))
            {
                sum += values.GetValueOrDefault(value);
            }
        }

        return sum;
    }

    public TopologyCounts Clone()
    {
        var clone = new TopologyCounts();
        foreach (var (key, values) in _counts)
        {
            clone._counts[key] = new Dictionary<string, long>(values, StringComparer.Ordinal);
        }

        return clone;
    }
}
