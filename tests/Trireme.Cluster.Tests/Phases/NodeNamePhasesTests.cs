using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Cluster.Phases;

namespace Trireme.Cluster.Tests.Phases;

public sealed class NodeNamePhasesTests
{
    private const string Own = "00000000000000000000000000000001";
    private const string Other = "00000000000000000000000000000002";

    [Theory]
    [InlineData(null, true, false)]
    [InlineData(null, false, true)]
    [InlineData(Own, true, true)]
    [InlineData(Own, false, true)]
    [InlineData(Other, true, false)]
    [InlineData(Other, false, false)]
    public void A_machine_joins_only_under_a_name_that_is_its_own(string? id, bool ready, bool free)
    {
        var error = Record.Exception(() => NodeNamePhases.EnsureFree(Node(id, ready), Own));
        Assert.Equal(free, error is null);
        Assert.True(free || error is PhaseException { Message: var m } && m.Contains("kubectl delete node worker-1", StringComparison.Ordinal));
    }

    [Fact]
    public void A_name_that_nobody_has_is_free() => NodeNamePhases.EnsureFree(null, Own);

    [Fact]
    public void A_machine_that_is_refused_has_nothing_of_the_cluster_yet()
    {
        foreach (var workflow in new[] { Workflows.JoinServer, Workflows.JoinWorker })
        {
            var names = workflow.SelectMany(stage => stage).Select(p => p.Name).ToList();
            Assert.True(names.IndexOf("node-name") < names.IndexOf("download-config"));
            Assert.Contains(names, n => n is "mark-node" or "mark-control-plane");
        }
    }

    private static Node Node(string? id, bool ready) => new()
    {
        Metadata = new ObjectMeta { Name = "worker-1", Annotations = id is null ? null : new() { [NodeNamePhases.MachineIdAnnotation] = id } },
        Status = new NodeStatus { Conditions = [new NodeCondition { Type = "Ready", Status = ready ? "True" : "Unknown" }] },
    };
}
