using System.Net;
using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Controllers.GarbageCollection;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Tests.GarbageCollection;

public sealed class GarbageCollectorTests
{
    [Fact]
    public async Task What_an_object_owned_goes_after_it_to_the_last_generation()
    {
        await using var harness = await StartAsync();
        var (deployment, replicaSet, _) = Family(harness);

        await harness.Api.DeleteAsync<Deployment>(Objects.Ns, deployment.Metadata.Name!, new DeleteRequest(PropagationPolicy: "Background"), harness.Token);

        await harness.UntilAsync(() => harness.Api.Peek<ReplicaSet>(Objects.Ns, replicaSet.Metadata.Name!) is null && harness.Api.PeekAll<Pod>().Count == 0);
    }

    [Fact]
    public async Task An_object_whose_owner_never_existed_goes()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(Owned(Objects.Pod("lost", node: null), new ReplicaSet { Metadata = new ObjectMeta { Name = "ghost", Uid = "no-such-uid" } }));

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "lost") is null);
    }

    [Fact]
    public async Task An_owner_that_only_an_old_cache_does_not_show_is_not_taken_for_gone()
    {
        await using var harness = await StartAsync();
        harness.Api.Unconfirmed = true;
        harness.Api.Seed(Owned(Objects.Pod("lost", node: null), new ReplicaSet { Metadata = new ObjectMeta { Name = "ghost", Uid = "no-such-uid" } }));

        await harness.StaysAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "lost") is not null, TimeSpan.FromSeconds(5));
        harness.Api.Unconfirmed = false;
        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "lost") is null);
    }

    [Fact]
    public async Task An_owner_that_was_made_anew_under_the_same_name_is_not_the_owner()
    {
        await using var harness = await StartAsync();
        var owner = harness.Api.Seed(Objects.ReplicaSet(1, "rs"));
        var old = new ReplicaSet { Metadata = new ObjectMeta { Name = "rs", Uid = "uid-of-the-one-before" } };
        harness.Api.Seed(Owned(Objects.Pod("of-old", node: null), old));
        harness.Api.Seed(Owned(Objects.Pod("of-new", node: null), owner));

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "of-old") is null);
        await harness.StaysAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "of-new") is not null, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task An_object_lives_as_long_as_one_of_its_owners_does()
    {
        await using var harness = await StartAsync();
        var (a, b) = (harness.Api.Seed(Objects.ReplicaSet(1, "a")), harness.Api.Seed(Objects.ReplicaSet(1, "b")));
        var pod = Owned(Objects.Pod("shared", node: null), a);
        pod.Metadata.OwnerReferences!.Add(Reference(b, block: false));
        harness.Api.Seed(pod);
        await harness.StaysAsync(() => true, TimeSpan.FromSeconds(1));

        await harness.Api.DeleteAsync<ReplicaSet>(Objects.Ns, "a", null, harness.Token);
        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "shared")!.Metadata.OwnerReferences is [{ Name: "b" }]);

        await harness.Api.DeleteAsync<ReplicaSet>(Objects.Ns, "b", null, harness.Token);
        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "shared") is null);
    }

    [Fact]
    public async Task Deleting_in_the_foreground_lets_the_owner_go_last()
    {
        await using var harness = await StartAsync();
        var (deployment, replicaSet, pod) = Family(harness);
        await harness.StaysAsync(() => true, TimeSpan.FromSeconds(1));

        await harness.Api.DeleteAsync<Deployment>(Objects.Ns, deployment.Metadata.Name!, new DeleteRequest(PropagationPolicy: "Foreground"), harness.Token);

        await harness.UntilAsync(() =>
        {
            var owner = harness.Api.Peek<Deployment>(Objects.Ns, deployment.Metadata.Name!);
            var (middle, leaf) = (harness.Api.Peek<ReplicaSet>(Objects.Ns, replicaSet.Metadata.Name!), harness.Api.Peek<Pod>(Objects.Ns, pod.Metadata.Name!));
            Assert.True(owner is not null || (middle is null && leaf is null), "the owner went before what it owned");
            return owner is null;
        });
    }

    [Fact]
    public async Task Deleting_with_orphans_keeps_what_was_owned_and_cuts_the_tie()
    {
        await using var harness = await StartAsync();
        var (deployment, replicaSet, _) = Family(harness);
        await harness.StaysAsync(() => true, TimeSpan.FromSeconds(1));

        await harness.Api.DeleteAsync<Deployment>(Objects.Ns, deployment.Metadata.Name!, new DeleteRequest(PropagationPolicy: "Orphan"), harness.Token);

        await harness.UntilAsync(() => harness.Api.Peek<Deployment>(Objects.Ns, deployment.Metadata.Name!) is null);
        Assert.Empty(harness.Api.Peek<ReplicaSet>(Objects.Ns, replicaSet.Metadata.Name!)!.Metadata.OwnerReferences ?? []);
        await harness.StaysAsync(() => harness.Api.PeekAll<Pod>().Count == 1, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Nothing_is_concluded_from_an_owner_of_a_kind_that_is_not_served()
    {
        await using var harness = await StartAsync();
        var pod = Objects.Pod("p", node: null);
        pod.Metadata.OwnerReferences = [new OwnerReference { ApiVersion = "example.com/v1", Kind = "Widget", Name = "w", Uid = "widget-uid" }];
        harness.Api.Seed(pod);

        await harness.StaysAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "p") is not null, TimeSpan.FromSeconds(10));
    }

    [Theory]
    [InlineData("apis")]
    [InlineData("apis/apps/v1")]
    public async Task A_discovery_that_breaks_off_is_tried_again(string path)
    {
        await using var harness = await StartAsync();
        harness.Api.Intercept = r => r.Verb == "discover" && r.Resource == path ? new HttpRequestException("the response ended prematurely") : null;
        await harness.StaysAsync(() => true, TimeSpan.FromSeconds(40));

        // A kind that comes later is collected all the same.
        harness.Api.Intercept = null;
        harness.Api.Seed(Owned(new ConfigMap { Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = "lost" } }, Ghost));
        await harness.UntilAsync(() => harness.Api.Peek<ConfigMap>(Objects.Ns, "lost") is null, TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task A_kind_that_cannot_be_listed_does_not_keep_the_others_from_being_collected()
    {
        await using var harness = new ControllerHarness();
        harness.Api.Register(Pod.Resource);
        harness.Api.Register(ReplicaSet.Resource);
        harness.Api.Intercept = r => r is { Verb: "list", Resource: "replicasets.apps" } ? new ApiUnavailableException("its server is down") : null;
        harness.Api.Seed(Owned(Objects.Pod("lost", node: null), new Deployment { Metadata = new ObjectMeta { Name = "ghost", Uid = "no-such-uid" } }));
        harness.Api.Register(Deployment.Resource);
        harness.Add(c => new GarbageCollector(c));
        await harness.StartAsync();

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "lost") is null, TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task An_object_of_the_cluster_that_names_an_owner_in_a_namespace_stays()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(Owned(new PersistentVolume { Metadata = new ObjectMeta { Name = "pv" } }, Ghost));

        await harness.StaysAsync(() => harness.Api.Peek<PersistentVolume>(null, "pv") is not null, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task An_owner_in_another_namespace_does_not_count()
    {
        await using var harness = await StartAsync();
        var owner = Objects.ReplicaSet(1, "rs");
        owner.Metadata.Namespace = "elsewhere";
        owner = harness.Api.Seed(owner);
        harness.Api.Seed(Owned(Objects.Pod("stranger", node: null), owner));

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "stranger") is null);
    }

    [Fact]
    public async Task A_reference_with_the_uid_of_another_kind_does_not_take_that_object_from_others()
    {
        await using var harness = await StartAsync();
        var wrong = new Deployment { Metadata = new ObjectMeta { Name = "rs", Uid = "real-uid" } };
        harness.Api.Seed(Owned(Objects.Pod("wrong", node: null), wrong));
        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "wrong") is null);

        // Made while its informer is not looking, so that only a live look can tell that it is there.
        harness.Api.Intercept = r => r is { Resource: "replicasets.apps", Verb: "list" or "watch" } ? new ApiUnavailableException("gone for now") : null;
        harness.Api.CloseWatches();
        var real = Objects.ReplicaSet(1, "rs");
        real.Metadata.Uid = "real-uid";
        harness.Api.Seed(real);
        harness.Api.Seed(Owned(Objects.Pod("right", node: null), real));
        await harness.StaysAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "right") is not null, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task An_owner_that_goes_before_its_informer_has_shown_it_takes_its_dependents_along()
    {
        await using var harness = await StartAsync();
        harness.Api.Intercept = r => r is { Resource: "replicasets.apps", Verb: "list" or "watch" } ? new ApiUnavailableException("gone for now") : null;
        harness.Api.CloseWatches();
        var owner = harness.Api.Seed(Objects.ReplicaSet(1, "rs"));
        harness.Api.Seed(Owned(Objects.Pod("p", node: null), owner));
        await harness.StaysAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "p") is not null, TimeSpan.FromSeconds(10));

        harness.Api.Remove<ReplicaSet>(Objects.Ns, "rs");
        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "p") is null, TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task Nothing_is_concluded_from_an_answer_that_does_not_name_the_object()
    {
        await using var harness = await StartAsync();
        harness.Api.Intercept = r => r is { Verb: "get", Resource: "replicasets.apps" }
            ? new ApiException(HttpStatusCode.NotFound, new Status { Kind = "Status", Code = 404, Reason = "NotFound", Message = "the server could not find the requested resource" })
            : null;
        harness.Api.Seed(Owned(Objects.Pod("p", node: null), Ghost));

        await harness.StaysAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "p") is not null, TimeSpan.FromSeconds(10));
        harness.Api.Intercept = null;
        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "p") is null, TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task In_a_second_term_collecting_goes_on()
    {
        await using var harness = await StartAsync();
        await harness.EndTermAsync();
        harness.Api.Seed(Owned(Objects.Pod("lost", node: null), Ghost));
        harness.StartTerm();

        await harness.UntilAsync(() => harness.Api.Peek<Pod>(Objects.Ns, "lost") is null);
    }

    [Fact]
    public void The_graph_forgets_a_virtual_owner_with_its_last_dependent()
    {
        var graph = new OwnerGraph();
        var meta = new ObjectMeta { Name = "p", Uid = "p", OwnerReferences = [new OwnerReference { Kind = "X", Name = "o", Uid = "o" }] };
        var location = new ObjectLocation(Pod.Resource, new NamespacedName("ns", "p"));
        Assert.Contains("o", graph.Put(location, meta, (_, ns) => new ObjectLocation(null, new NamespacedName(ns, "o"))));
        Assert.True(graph.Find("o")!.IsVirtual);

        graph.Remove("p");

        Assert.Equal(0, graph.Count);
    }

    private static ReplicaSet Ghost => new() { Metadata = new ObjectMeta { Name = "ghost", Uid = "no-such-uid" } };

    private static (Deployment, ReplicaSet, Pod) Family(ControllerHarness harness)
    {
        var deployment = harness.Api.Seed(Objects.Deployment(1));
        var replicaSet = harness.Api.Seed(Owned(Objects.ReplicaSet(1, "web-1"), deployment));
        var pod = harness.Api.Seed(Owned(Objects.Pod("web-1-a", node: null), replicaSet));
        return (deployment, replicaSet, pod);
    }

    private static T Owned<T>(T obj, IKubernetesObject owner)
        where T : IKubernetesObject
    {
        obj.Metadata.OwnerReferences = [Reference(owner, block: true)];
        return obj;
    }

    private static OwnerReference Reference(IKubernetesObject owner, bool block)
    {
        var reference = OwnerReferences.ToController(owner);
        reference.BlockOwnerDeletion = block;
        reference.Controller = block;
        return reference;
    }

    private static async Task<ControllerHarness> StartAsync()
    {
        var harness = new ControllerHarness();
        harness.Api.Register(Pod.Resource);
        harness.Api.Register(ReplicaSet.Resource);
        harness.Api.Register(Deployment.Resource);
        harness.Add(c => new GarbageCollector(c));
        await harness.StartAsync();
        return harness;
    }
}
