using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Hollow;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Kubelet.Tests.Hollow;

public sealed class HollowKubeletTests
{
    [Fact]
    public async Task Hollow_nodes_show_their_pods_as_running_and_let_go_of_deleted_ones()
    {
        var api = new FakeApiClient();
        using var stop = new CancellationTokenSource();
        var options = new HollowOptions { Nodes = [("node-1", "zone-a"), ("node-2", null)], LeaseRenewInterval = TimeSpan.FromMilliseconds(100) };
        var running = new HollowKubelet(options, api, NullLoggerFactory.Instance, TimeProvider.System).RunAsync(stop.Token);

        await Eventually.HoldsAsync(() => api.PeekAll<Node>().Count(IsReady) == 2 && api.PeekAll<Lease>("kube-node-lease").Count == 2, "both nodes are ready and have leases");
        Assert.Equal("zone-a", api.Peek<Node>(null, "node-1")!.Metadata.Labels!["topology.kubernetes.io/zone"]);

        var pod = Pods.Make("a", "b");
        pod.Spec!.InitContainers = [Pods.Container("i")];
        api.Seed(pod);
        await Eventually.HoldsAsync(() => api.Peek<Pod>("default", "web")?.Status?.Phase == PodPhase.Running, "the pod runs");
        var status = api.Peek<Pod>("default", "web")!.Status!;
        Assert.Contains(status.Conditions!, c => c is { Type: "Ready", Status: "True" });
        Assert.StartsWith("100.64.", status.PodIP, StringComparison.Ordinal);

        await api.DeleteAsync<Pod>("default", "web", null, TestContext.Current.CancellationToken);
        await Eventually.HoldsAsync(() => api.Peek<Pod>("default", "web") is null, "the pod is gone");
        await stop.CancelAsync();
        await running;

        static bool IsReady(Node node) => node.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true;
    }
}
