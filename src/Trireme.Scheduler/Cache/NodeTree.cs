using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Cache;

/// <summary>The names of the nodes by region and zone, listed zone by zone in turn, so that a sample of nodes spans all zones.</summary>
internal sealed class NodeTree
{
    public const string RegionLabel = "topology.kubernetes.io/region";
    public const string ZoneLabel = "topology.kubernetes.io/zone";

    private readonly Dictionary<string, string> _zoneOfNode = new(StringComparer.Ordinal);
    private readonly List<(string Zone, List<string> Nodes)> _zones = [];

    public int Count => _zoneOfNode.Count;

    public static string ZoneOf(Node node)
    {
        var labels = node.Metadata.Labels;
        return $"{labels?.GetValueOrDefault(RegionLabel)}:{labels?.GetValueOrDefault(ZoneLabel)}";
    }

    /// <summary>Adds the node, or moves it when its zone changed. True when the order of names changed.</summary>
    public bool AddOrUpdate(Node node)
    {
        var name = node.Metadata.Name ?? "";
        var zone = ZoneOf(node);
        if (_zoneOfNode.TryGetValue(name, out var old))
        {
            if (old == zone)
            {
                return false;
            }

            Remove(name);
        }

        _zoneOfNode[name] = zone;
        var i = _zones.FindIndex(z => z.Zone == zone);
        if (i < 0)
        {
            i = _zones.Count;
            _zones.Add((zone, []));
        }

        _zones[i].Nodes.Add(name);
        return true;
    }

    public bool Remove(string name)
    {
        if (!_zoneOfNode.Remove(name, out var zone))
        {
            return false;
        }

        var i = _zones.FindIndex(z => z.Zone == zone);
        _zones[i].Nodes.Remove(name);
        if (_zones[i].Nodes.Count == 0)
        {
            _zones.RemoveAt(i);
        }

        return true;
    }

    /// <summary>The first node of each zone, then the second of each, and so on.</summary>
    public IEnumerable<string> Names()
    {
        var longest = _zones.Count == 0 ? 0 : _zones.Max(z => z.Nodes.Count);
        for (var row = 0; row < longest; row++)
        {
            foreach (var (_, nodes) in _zones)
            {
                if (row < nodes.Count)
                {
                    yield return nodes[row];
                }
            }
        }
    }
}
