using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Models.Rbac.V1;
using Trireme.Controllers.ClusterRoles;

namespace Trireme.Controllers.Tests.ClusterRoles;

public sealed class ClusterRoleAggregationControllerTests
{
    [Fact]
    public async Task A_role_that_is_made_of_others_follows_them()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ClusterRoleAggregationController(c));
        await harness.StartAsync();
        harness.Api.Seed(new ClusterRole
        {
            Metadata = new ObjectMeta { Name = "whole" },
            AggregationRule = new AggregationRule { ClusterRoleSelectors = [new LabelSelector { MatchLabels = new() { ["part-of"] = "whole" } }] },
        });
        harness.Api.Seed(Part("a", "pods"));
        harness.Api.Seed(Part("b", "services"));
        harness.Api.Seed(Part("c", "pods"));
        await harness.UntilAsync(() => Resources(harness) is ["pods", "services"]);

        harness.Api.Remove<ClusterRole>(null, "b");
        await harness.UntilAsync(() => Resources(harness) is ["pods"]);
        var stranger = Part("a", "pods");
        stranger.Metadata.Labels = null;
        harness.Api.Seed(stranger);
        harness.Api.Remove<ClusterRole>(null, "c");
        await harness.UntilAsync(() => Resources(harness).Count == 0);
    }

    private static ClusterRole Part(string name, string resource) => new()
    {
        Metadata = new ObjectMeta { Name = name, Labels = new() { ["part-of"] = "whole" } },
        Rules = [new PolicyRule { ApiGroups = [""], Resources = [resource], Verbs = ["get"] }],
    };

    private static List<string> Resources(ControllerHarness harness) =>
        [.. (harness.Api.Peek<ClusterRole>(null, "whole")?.Rules ?? []).SelectMany(r => r.Resources!)];
}
