using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Controllers.Endpoints;
using Trireme.Controllers.EndpointSlices;
using EndpointsObject = Trireme.Api.Models.Core.V1.Endpoints;

namespace Trireme.Controllers.Tests.EndpointSlices;

public sealed class EndpointSliceControllerTests
{
    [Fact]
    public async Task Slices_hold_the_ready_the_starting_and_the_ending_pods_each_as_what_they_are()
    {
        await using var harness = await StartAsync();
        var node = Objects.Node("n1");
        node.Metadata.Labels = new() { ["topology.kubernetes.io/zone"] = "z1" };
        harness.Api.Seed(node);
        harness.Api.Seed(Objects.Pod("ready", "10.0.0.1"));
        harness.Api.Seed(Objects.Pod("starting", "10.0.0.2", ready: false));
        var ending = Objects.Pod("ending", "10.0.0.3");
        ending.Metadata.DeletionTimestamp = harness.Time.GetUtcNow();
        ending.Metadata.DeletionGracePeriodSeconds = 30;
        harness.Api.Seed(ending);
        harness.Api.Seed(Objects.Pod("stranger", "10.0.0.4", labels: new() { ["app"] = "other" }));
        harness.Api.Seed(Objects.Service());

        // Services, pods and nodes come by watches of their own, in any order.
        await harness.UntilAsync(() => Endpoints(harness).Count == 3 && Endpoints(harness).TrueForAll(e => e.Zone == "z1") && harness.Api.PeekAll<EndpointSlice>().Count == 1);

        var byName = Endpoints(harness).ToDictionary(e => e.TargetRef!.Name!, e => e);
        Assert.Equal((true, true, false), Conditions(byName["ready"]));
        Assert.Equal((false, false, false), Conditions(byName["starting"]));
        Assert.Equal((false, true, true), Conditions(byName["ending"]));
        Assert.Equal("z1", byName["ready"].Zone);
        Assert.Equal("n1", byName["ready"].NodeName);
        var slice = Assert.Single(harness.Api.PeekAll<EndpointSlice>());
        Assert.Equal("web", slice.Metadata.Labels!["kubernetes.io/service-name"]);
        Assert.Equal(8080, Assert.Single(slice.Ports!).Port);

        await harness.UntilAsync(() => harness.Api.Peek<EndpointsObject>(Objects.Ns, "web")?.Subsets is [{ Addresses: [{ Ip: "10.0.0.1" }], NotReadyAddresses: [{ Ip: "10.0.0.2" }] }]);
    }

    [Fact]
    public async Task A_pod_that_loses_its_readiness_leaves_at_once()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(Objects.Pod("p", "10.0.0.1"));
        harness.Api.Seed(Objects.Service());
        await harness.UntilAsync(() => Endpoints(harness) is [{ Conditions.Ready: true }]);

        harness.Api.Seed(Objects.Pod("p", "10.0.0.1", ready: false));
        await harness.UntilAsync(() => Endpoints(harness) is [{ Conditions.Ready: false }]);
    }

    [Fact]
    public async Task Named_ports_that_differ_between_pods_make_slices_of_their_own()
    {
        await using var harness = await StartAsync();
        var (a, b) = (Objects.Pod("a", "10.0.0.1"), Objects.Pod("b", "10.0.0.2"));
        a.Spec!.Containers![0].Ports = [new ContainerPort { Name = "http", ContainerPortValue = 8080, Protocol = "TCP" }];
        b.Spec!.Containers![0].Ports = [new ContainerPort { Name = "http", ContainerPortValue = 9090, Protocol = "TCP" }];
        harness.Api.Seed(a);
        harness.Api.Seed(b);
        var service = Objects.Service();
        service.Spec!.Ports![0].TargetPort = "http";
        harness.Api.Seed(service);

        // A controller that hears of the service before its pods first says with a slice without ports that there are none.
        await harness.UntilAsync(() => harness.Api.PeekAll<EndpointSlice>().Select(s => s.Ports?.FirstOrDefault()?.Port).Order().SequenceEqual([8080, 9090]));
    }

    [Fact]
    public void Two_hundred_and_fifty_endpoints_take_three_slices_and_one_change_rewrites_one()
    {
        var service = Objects.Service();
        var pods = Enumerable.Range(0, 250).Select(i =>
        {
            var pod = Objects.Pod($"p{i}", $"10.0.{i / 250}.{i % 250}");
            pod.Metadata.Uid = $"uid-{i}";
            return pod;
        }).ToList();
        var plan = SlicePlan.Of(service, pods, [], _ => null);
        Assert.Equal([100, 100, 50], plan.Create.Select(s => s.Endpoints!.Count));
        var existing = plan.Create.Index().Select(s =>
        {
            s.Item.Metadata.Name = $"s{s.Index}";
            return s.Item;
        }).ToList();

        Assert.Equal((0, 0, 0), Sizes(SlicePlan.Of(service, pods, existing, _ => null)));
        pods[120] = Objects.Pod("new", "10.1.0.1");
        pods[120].Metadata.Uid = "uid-new";
        Assert.Equal((0, 1, 0), Sizes(SlicePlan.Of(service, pods, existing, _ => null)));

        // Nobody is left: one empty slice without ports says so.
        Assert.Equal((1, 0, 3), Sizes(SlicePlan.Of(service, [], existing, _ => null)));
    }

    [Fact]
    public void A_service_made_anew_under_its_name_takes_over_the_slices()
    {
        var (before, after) = (Objects.Service(), Objects.Service());
        (before.Metadata.Uid, after.Metadata.Uid) = ("old", "new");
        var pod = Objects.Pod("p", "10.0.0.1");
        pod.Metadata.Uid = "uid-p";
        var slice = SlicePlan.Of(before, [pod], [], _ => null).Create.Single();
        slice.Metadata.Name = "s";

        var update = Assert.Single(SlicePlan.Of(after, [pod], [slice], _ => null).Update);
        Assert.Equal("new", Assert.Single(update.Metadata.OwnerReferences!).Uid);
    }

    private static (int, int, int) Sizes(SlicePlan plan) => (plan.Create.Count, plan.Update.Count, plan.Delete.Count);

    private static (bool?, bool?, bool?) Conditions(Endpoint endpoint) => (endpoint.Conditions!.Ready, endpoint.Conditions.Serving, endpoint.Conditions.Terminating);

    private static List<Endpoint> Endpoints(ControllerHarness harness) => [.. harness.Api.PeekAll<EndpointSlice>().SelectMany(s => s.Endpoints ?? [])];

    private static async Task<ControllerHarness> StartAsync()
    {
        var harness = new ControllerHarness();
        harness.Add(c => new EndpointSliceController(c));
        harness.Add(c => new EndpointsController(c));
        await harness.StartAsync();
        return harness;
    }
}
