using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Policy.V1;
using Trireme.Client.Informers;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Api;

/// <summary>Answers from the informers' copies.</summary>
internal sealed class InformerClusterLister : IClusterLister
{
    private const string ByNamespace = "scheduler.byNamespace";

    private readonly IIndexer<Namespace> _namespaces;
    private readonly IIndexer<PodDisruptionBudget> _budgets;
    private readonly IIndexer<Service> _services;
    private readonly IIndexer<ReplicaSet> _replicaSets;
    private readonly IIndexer<StatefulSet> _statefulSets;
    private readonly IIndexer<ReplicationController> _replicationControllers;

    /// <summary>Makes the informers that are needed; they must be started afterwards.</summary>
    public InformerClusterLister(IInformerFactory informers)
    {
        _namespaces = informers.For<Namespace>().Indexer;
        _budgets = informers.For<PodDisruptionBudget>().Indexer;
        _services = informers.For<Service>().Indexer;
        _replicaSets = informers.For<ReplicaSet>().Indexer;
        _statefulSets = informers.For<StatefulSet>().Indexer;
        _replicationControllers = informers.For<ReplicationController>().Indexer;

        // Asked for every pod, while listing a namespace would look at every object of the cluster.
        _services.AddIndex(ByNamespace, s => [s.Metadata.Namespace ?? ""]);
    }

    public Dictionary<string, string>? NamespaceLabels(string @namespace) => _namespaces.Get(null, @namespace)?.Metadata.Labels;

    public IEnumerable<PodDisruptionBudget> PodDisruptionBudgets(string @namespace) => _budgets.List(@namespace);

    public LabelMatcher DefaultSelector(PodInfo pod)
    {
        var selector = OwnerSelector(pod.Pod);
        foreach (var service in _services.ByIndex(ByNamespace, pod.Namespace))
        {
            if (service.Spec?.Selector is { Count: > 0 } labels && LabelMatcher.OfLabels(labels) is var matcher && matcher.Matches(pod.Group.Labels))
            {
                selector = selector.IsNothing ? matcher : selector.And(matcher);
            }
        }

        return selector;
    }

    private LabelMatcher OwnerSelector(Pod pod)
    {
        var owner = pod.Metadata.OwnerReferences?.Find(o => o.Controller == true);
        var ns = pod.Metadata.Namespace;
        return owner?.Kind switch
        {
            "ReplicaSet" => LabelMatcher.Of(_replicaSets.Get(ns, owner.Name!)?.Spec?.Selector),
            "StatefulSet" => LabelMatcher.Of(_statefulSets.Get(ns, owner.Name!)?.Spec?.Selector),
            "ReplicationController" when _replicationControllers.Get(ns, owner.Name!)?.Spec?.Selector is { Count: > 0 } labels =>
                LabelMatcher.OfLabels(labels),
            _ => LabelMatcher.Nothing,
        };
    }
}
