using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>A pod affinity or anti-affinity term, parsed: which pods it means and within which topology.</summary>
internal sealed class AffinityTerm
{
    private readonly HashSet<string> _namespaces;
    private readonly LabelMatcher _selector;

    public AffinityTerm(PodAffinityTerm? term, Pod owner)
    {
        TopologyKey = term?.TopologyKey ?? "";
        NamespaceSelector = LabelMatcher.Of(term?.NamespaceSelector);
        _namespaces = new HashSet<string>(term?.Namespaces ?? [], StringComparer.Ordinal);

        // Neither a list nor a selector means the pod's own namespace.
        if (_namespaces.Count == 0 && term?.NamespaceSelector is null)
        {
            _namespaces.Add(owner.Metadata.Namespace ?? "");
        }

        var selector = LabelMatcher.Of(term?.LabelSelector);
        selector = selector.And(OwnLabels(term?.MatchLabelKeys, LabelOperator.In, owner));
        _selector = selector.And(OwnLabels(term?.MismatchLabelKeys, LabelOperator.NotIn, owner));
    }

    public string TopologyKey { get; }

    public LabelMatcher NamespaceSelector { get; }

    /// <param name="pods">The pods in question.</param>
    /// <param name="namespaceLabels">Labels of the namespace in which they live; null when unknown.</param>
    public bool Matches(PodLabelGroup pods, Dictionary<string, string>? namespaceLabels) =>
        (_namespaces.Contains(pods.Namespace) || (!NamespaceSelector.IsNothing && NamespaceSelector.Matches(namespaceLabels)))
        && _selector.Matches(pods.Labels);

    private static LabelRequirement[] OwnLabels(List<string>? keys, LabelOperator op, Pod owner) =>
        keys is null || owner.Metadata.Labels is not { } labels
            ? []
            : [.. keys.Where(labels.ContainsKey).Select(k => new LabelRequirement(k, op, [labels[k]]))];
}

/// <summary>A preferred term and its worth, negative for anti-affinity.</summary>
internal readonly record struct WeightedAffinityTerm(AffinityTerm Term, int Weight);
