using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>One term of a node selector: all of its expressions must hold.</summary>
internal sealed class NodeTermMatcher
{
    private readonly LabelRequirement[] _labels;
    private readonly LabelRequirement[] _names;

    public NodeTermMatcher(NodeSelectorTerm? term)
    {
        _labels = [.. (term?.MatchExpressions ?? []).Select(e => LabelMatcher.Parse(e.Key, e.Operator, e.Values))];
        _names = [.. (term?.MatchFields ?? []).Select(ParseField)];
    }

    /// <summary>The nodes named by <c>metadata.name In [...]</c>, when the term names nodes in this way.</summary>
    public string[]? NodeNames => Array.Find(_names, n => n.Operator == LabelOperator.In).Values;

    public bool Matches(NodeInfo node)
    {
        // An empty term selects no node (and not every node, as an empty label selector would).
        if (_labels.Length == 0 && _names.Length == 0)
        {
            return false;
        }

        foreach (ref readonly var requirement in _labels.AsSpan())
        {
            if (!requirement.Matches(node.Labels))
            {
                return false;
            }
        }

        foreach (ref readonly var requirement in _names.AsSpan())
        {
            if (!requirement.Matches(present: true, node.Name))
            {
                return false;
            }
        }

        return true;
    }

    private static LabelRequirement ParseField(NodeSelectorRequirement field) =>
        LabelMatcher.Parse(field.Key, field.Key == "metadata.name" ? field.Operator : null, field.Values);
}

/// <summary>A preferred node term and what it is worth.</summary>
internal readonly record struct WeightedNodeTerm(NodeTermMatcher Term, int Weight);

/// <summary>What a pod demands of its node's labels and name: <c>nodeSelector</c> and required node affinity, parsed.</summary>
internal sealed class NodeAffinityMatcher
{
    private readonly LabelMatcher? _nodeSelector;
    private readonly NodeTermMatcher[]? _terms;

    public NodeAffinityMatcher(PodSpec? spec)
    {
        _nodeSelector = spec?.NodeSelector is { Count: > 0 } selector ? LabelMatcher.OfLabels(selector) : null;
        var required = spec?.Affinity?.NodeAffinity?.RequiredDuringSchedulingIgnoredDuringExecution;
        _terms = required is null ? null : [.. (required.NodeSelectorTerms ?? []).Select(t => new NodeTermMatcher(t))];
        Preferred = [.. (spec?.Affinity?.NodeAffinity?.PreferredDuringSchedulingIgnoredDuringExecution ?? [])
            .Where(p => p.Weight != 0)
            .Select(p => new WeightedNodeTerm(new NodeTermMatcher(p.Preference), p.Weight))];
    }

    public WeightedNodeTerm[] Preferred { get; }

    /// <summary>Whether any node would do.</summary>
    public bool IsEmpty => _nodeSelector is null && _terms is null;

    /// <summary>The only nodes that can match, when every term names its nodes (as daemon pods do); null when any might.</summary>
    public HashSet<string>? NodeNames()
    {
        if (_terms is not { Length: > 0 })
        {
            return null;
        }

        HashSet<string>? names = null;
        foreach (var term in _terms)
        {
            if (term.NodeNames is not { } termNames)
            {
                return null;
            }

            (names ??= new HashSet<string>(StringComparer.Ordinal)).UnionWith(termNames);
        }

        return names;
    }

    public bool Matches(NodeInfo node)
    {
        if (_nodeSelector is not null && !_nodeSelector.Matches(node.Labels))
        {
            return false;
        }

        if (_terms is null)
        {
            return true;
        }

        foreach (var term in _terms)
        {
            if (term.Matches(node))
            {
                return true;
            }
        }

        return false;
    }
}
