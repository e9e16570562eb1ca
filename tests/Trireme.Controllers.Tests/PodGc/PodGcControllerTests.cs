using System.Net;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Controllers.PodGc;

namespace Trireme.Controllers.Tests.PodGc;

public sealed class PodGcControllerTests
{
    [Fact]
    public async Task Pods_of_a_node_that_is_gone_are_removed_after_a_while()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new PodGcController(c));
        harness.Api.Seed(Objects.Node("n1"));
        harness.Api.Seed(Objects.Pod("lost", node: "gone"));
        harness.Api.Seed(Objects.Pod("kept", node: "n1"));
        await harness.StartAsync();

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "lost") is null, TimeSpan.FromSeconds(1));
        Assert.NotNull(harness.Api.Peek<Pod>(Objects.Ns, "kept"));
    }

    [Fact]
    public async Task A_pod_that_cannot_be_removed_does_not_save_those_behind_it()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new PodGcController(c));
        foreach (var name in new[] { "a", "b", "c" })
        {
            harness.Api.Seed(Objects.Pod(name, node: "gone"));
        }

        harness.Api.Intercept = r => r is { Resource: "pods", Key.Name: "a" or "b", Verb: "delete" or "update" }
            ? new ApiException(HttpStatusCode.InternalServerError, new Status { Code = 500, Message = "a webhook says no" })
            : null;
        await harness.StartAsync();

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "c") is null, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Pods_that_end_on_a_node_out_of_service_are_removed_at_once()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new PodGcController(c));
        var node = Objects.Node("n1", "Unknown");
        node.Spec!.Taints = [new Taint { Key = "node.kubernetes.io/out-of-service", Effect = "NoExecute" }];
        harness.Api.Seed(node);
        var ending = Objects.Pod("ending", node: "n1");
        ending.Metadata.DeletionTimestamp = harness.Time.GetUtcNow();
        harness.Api.Seed(ending);
        harness.Api.Seed(Objects.Pod("serving", node: "n1"));
        await harness.StartAsync();

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "ending") is null, TimeSpan.FromSeconds(1));
        Assert.NotNull(harness.Api.Peek<Pod>(Objects.Ns, "serving"));
    }
}
