using Trireme.Api.Models;
using Trireme.Api.Models.Rbac.V1;
using Trireme.Api.Selectors;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.ClusterRoles;

/// <summary>Fills ClusterRoles that are made of others (<c>admin</c>, <c>edit</c>, <c>view</c>) with the rules of those that their selectors choose.</summary>
public sealed class ClusterRoleAggregationController : Controller
{
    private readonly ISharedInformer<ClusterRole> _roles;

    public ClusterRoleAggregationController(ControllerContext context)
        : base("clusterrole-aggregation-controller", context, 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _roles = context.Informers.For<ClusterRole>();

        // Which ones a role is part of, by its labels now and before, is more work to find out than to look at all few that aggregate.
        _roles.AddEventHandler(new ResourceEventHandler<ClusterRole>(_ => EnqueueAggregates(), (_, _) => EnqueueAggregates(), _ => EnqueueAggregates()));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_roles.Indexer.Get(null, key.Name) is not { AggregationRule.ClusterRoleSelectors: { } selectors } role)
        {
            return ReconcileResult.Done;
        }

        var rules = new List<PolicyRule>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var selector in selectors.Select(LabelRequirements.Of))
        {
            foreach (var part in _roles.Indexer.List().Where(r => r.Metadata.Name != key.Name && selector.Matches(r.Metadata.Labels)).OrderBy(r => r.Metadata.Name, StringComparer.Ordinal))
            {
                rules.AddRange((part.Rules ?? []).Where(r => seen.Add(System.Text.Encoding.UTF8.GetString(CanonicalJson.Of(r)))));
            }
        }

        var current = role.Rules ?? [];
        if (current.Count == rules.Count && current.Zip(rules).All(p => ModelJson.JsonEquals(p.First, p.Second)))
        {
            return ReconcileResult.Done;
        }

        var changed = role.Clone();
        changed.Rules = rules;
        await Client.UpdateAsync(changed, cancellationToken);
        return ReconcileResult.Done;
    }

    private void EnqueueAggregates()
    {
        foreach (var role in _roles.Indexer.List())
        {
            if (role.AggregationRule is not null)
            {
                Enqueue(role);
            }
        }
    }
}
