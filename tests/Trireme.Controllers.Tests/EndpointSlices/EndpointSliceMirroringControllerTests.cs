using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Controllers.Endpoints;
using Trireme.Controllers.EndpointSlices;
using EndpointsObject = Trireme.Api.Models.Core.V1.Endpoints;

namespace Trireme.Controllers.Tests.EndpointSlices;

public sealed class EndpointSliceMirroringControllerTests
{
    [Fact]
    public async Task Endpoints_made_by_hand_are_mirrored_and_followed()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(External());
        var endpoints = harness.Api.Seed(Manual("192.0.2.1", "192.0.2.2"));

        await harness.UntilAsync(() => Addresses(harness).SequenceEqual(["192.0.2.1", "192.0.2.2"]));
        var slice = Assert.Single(harness.Api.PeekAll<EndpointSlice>());
        Assert.Equal(("IPv4", 8443, "external"), (slice.AddressType, slice.Ports![0].Port, slice.Metadata.Labels!["kubernetes.io/service-name"]));
        Assert.Equal(endpoints.Metadata.Uid, slice.Metadata.OwnerReferences![0].Uid);
        Assert.All(slice.Endpoints!, e => Assert.True(e.Conditions!.Ready));

        var changed = Manual("192.0.2.3");
        changed.Subsets![0].NotReadyAddresses = [new EndpointAddress { Ip = "192.0.2.4" }];
        harness.Api.Seed(changed);
        await harness.UntilAsync(() => Addresses(harness).SequenceEqual(["192.0.2.3", "192.0.2.4"]));
        Assert.Equal([true, false], harness.Api.PeekAll<EndpointSlice>().Single().Endpoints!.Select(e => e.Conditions!.Ready));
        Assert.Equal(slice.Metadata.Name, harness.Api.PeekAll<EndpointSlice>().Single().Metadata.Name);
    }

    [Fact]
    public async Task With_the_service_its_endpoints_and_their_mirror_go()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(External());
        harness.Api.Seed(Manual("192.0.2.1"));
        await harness.UntilAsync(() => Addresses(harness).Count == 1);

        harness.Api.Remove<Service>(Objects.Ns, "external");
        await harness.UntilAsync(() => harness.Api.PeekAll<EndpointSlice>().Count == 0 && harness.Api.PeekAll<EndpointsObject>().Count == 0);
    }

    [Fact]
    public async Task What_has_slices_of_its_own_or_does_not_want_any_is_not_mirrored()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(Objects.Service());
        harness.Api.Seed(External());
        var skipped = Manual("192.0.2.1");
        skipped.Metadata.Labels = new() { ["endpointslice.kubernetes.io/skip-mirror"] = "true" };
        harness.Api.Seed(skipped);

        await harness.UntilAsync(() => harness.Api.Peek<EndpointsObject>(Objects.Ns, "web") is not null);
        await harness.StaysAsync(() => harness.Api.PeekAll<EndpointSlice>().Count == 0, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void Many_endpoints_take_several_slices_and_one_that_is_gone_rewrites_no_more_than_it_must()
    {
        var endpoints = Manual([.. Enumerable.Range(0, 250).Select(i => $"10.1.{i / 100}.{i % 100 + 100}")]);
        var plan = MirrorPlan.Of(endpoints, []);
        Assert.Equal([100, 100, 50], plan.Create.Select(s => s.Endpoints!.Count));
        var existing = plan.Create.Index().Select(s =>
        {
            s.Item.Metadata.Name = $"s{s.Index}";
            return s.Item;
        }).ToList();
        Assert.Empty(MirrorPlan.Of(endpoints, existing).Update);

        endpoints.Subsets![0].Addresses!.RemoveAll(a => a.Ip!.StartsWith("10.1.2.", StringComparison.Ordinal));
        var smaller = MirrorPlan.Of(endpoints, existing);
        Assert.Equal((0, 0, 1), (smaller.Create.Count, smaller.Update.Count, smaller.Delete.Count));
    }

    private static Service External()
    {
        var service = Objects.Service("external");
        service.Spec!.Selector = null;
        return service;
    }

    private static EndpointsObject Manual(params string[] addresses) => new()
    {
        Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = "external" },
        Subsets =
        [
            new EndpointSubset
            {
                Addresses = [.. addresses.Select(a => new EndpointAddress { Ip = a })],
                Ports = [new Api.Models.Core.V1.EndpointPort { Name = "https", Port = 8443, Protocol = "TCP" }],
            },
        ],
    };

    private static List<string> Addresses(ControllerHarness harness) => [.. harness.Api.PeekAll<EndpointSlice>().SelectMany(s => s.Endpoints ?? []).SelectMany(e => e.Addresses!)];

    private static async Task<ControllerHarness> StartAsync()
    {
        var harness = new ControllerHarness();
        harness.Add(c => new EndpointSliceMirroringController(c));
        harness.Add(c => new EndpointsController(c));
        await harness.StartAsync();
        return harness;
    }
}
