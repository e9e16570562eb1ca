using Trireme.ApiServer.Tests.Registry;
using Trireme.TestKit;

namespace Trireme.ApiServer.Tests.CustomResources;

public sealed class CustomResourceTests
{
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    private const string Widgets = "/apis/example.com/v1/namespaces/default/widgets";

    internal const string Definition =
        """
        {"metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
        "names":{"plural":"widgets","singular":"widget","kind":"Widget","shortNames":["w"]},
        "versions":[{"name":"v1","served":true,"storage":true,
          "schema":{"openAPIV3Schema":{"type":"object","properties":{
            "spec":{"type":"object","required":["size"],"properties":{"size":{"type":"integer","minimum":1},"color":{"type":"string","default":"red"},"replicas":{"type":"integer"}}},
            "status":{"type":"object","properties":{"replicas":{"type":"integer"}}}}}},
          "subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}},
          "additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"}]},
        {"name":"v1beta1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}
        """;

    [Fact]
    public async Task A_definition_is_served_at_once_also_by_another_server()
    {
        await using var one = await new RegistryHarness().WithNamespaceAsync();
        await using var other = new RegistryHarness(one.Store);
        var created = (await one.PostAsync(Definitions, Definition)).Demand(201);
        Assert.Contains(created["status.conditions"].EnumerateArray(), c => c.GetProperty("type").GetString() == "Established" && c.GetProperty("status").GetString() == "True");
        Assert.Equal("widgets", created.Text("status.acceptedNames.plural"));
        (await other.PostAsync(Widgets, """{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":3}}""")).Demand(201);
        var read = (await one.GetAsync(Widgets + "/a")).Demand(200);
        Assert.Equal(("3", "red", "1"), (read.Text("spec.size"), read.Text("spec.color"), read.Text("metadata.generation")));
        Assert.Contains(one.Registry.Definitions, d => d.Group == "example.com" && d.Version == "v1beta1");
    }

    [Fact]
    public async Task Objects_are_defaulted_pruned_and_validated_by_the_schema()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Definitions, Definition)).Demand(201);
        var created = (await api.PostAsync(Widgets, """{"metadata":{"name":"a"},"spec":{"size":1,"unknown":true},"status":{"replicas":7}}""")).Demand(201);
        Assert.False(created.Has("spec.unknown"));
        Assert.False(created.Has("status.replicas"));
        (await api.PostAsync(Widgets + "?fieldValidation=Strict", """{"metadata":{"name":"b"},"spec":{"size":1,"unknown":true}}""")).Demand(400);
        (await api.PostAsync(Widgets, """{"metadata":{"name":"b"},"spec":{}}""")).Demand(422);
        (await api.PostAsync(Widgets, """{"metadata":{"name":"b"},"spec":{"size":0}}""")).Demand(422);
        (await api.PostAsync(Widgets, """{"metadata":{"name":"b"},"spec":{"size":"x"}}""")).Demand(422);
        (await api.SendAsync("PATCH", Widgets + "/a", "{}", "application/strategic-merge-patch+json")).Demand(415);
    }

    [Fact]
    public async Task Status_and_scale_are_parts_of_their_own()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Definitions, Definition)).Demand(201);
        (await api.PostAsync(Widgets, """{"metadata":{"name":"a"},"spec":{"size":1,"replicas":2}}""")).Demand(201);
        var status = (await api.MergeAsync(Widgets + "/a/status", """{"spec":{"size":9},"status":{"replicas":2}}""")).Demand(200);
        Assert.Equal(("1", "2", "1"), (status.Text("spec.size"), status.Text("status.replicas"), status.Text("metadata.generation")));
        (await api.MergeAsync(Widgets + "/a/scale", """{"spec":{"replicas":5}}""")).Demand(200);
        Assert.Equal(("5", "2"), ((await api.GetAsync(Widgets + "/a")).Text("spec.replicas"), (await api.GetAsync(Widgets + "/a")).Text("metadata.generation")));
    }

    [Fact]
    public async Task Every_served_version_shows_the_same_objects()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Definitions, Definition)).Demand(201);
        (await api.PostAsync("/apis/example.com/v1beta1/namespaces/default/widgets", """{"metadata":{"name":"a"},"spec":{"size":4}}""")).Demand(201);
        Assert.Equal("example.com/v1", (await api.GetAsync(Widgets + "/a")).Demand(200).Text("apiVersion"));
        Assert.Equal("example.com/v1beta1", (await api.GetAsync("/apis/example.com/v1beta1/namespaces/default/widgets/a")).Demand(200).Text("apiVersion"));
    }

    [Fact]
    public async Task A_definition_that_goes_takes_its_objects_along()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Definitions, Definition)).Demand(201);
        (await api.PostAsync(Widgets, """{"metadata":{"name":"a"},"spec":{"size":4}}""")).Demand(201);
        (await api.DeleteAsync(Definitions + "/widgets.example.com")).Demand(200);
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while ((await api.GetAsync(Definitions + "/widgets.example.com")).Code != 404 && DateTime.UtcNow < deadline)
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        (await api.GetAsync(Definitions + "/widgets.example.com")).Demand(404);
        var left = await api.Store.ListAsync(new("/registry/example.com/"), TestContext.Current.CancellationToken);
        Assert.Empty(left.Entries);
    }

    [Fact]
    public async Task While_a_definition_goes_nothing_new_is_made_of_it()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Definitions, Definition)).Demand(201);
        (await api.PostAsync(Widgets, """{"metadata":{"name":"a","finalizers":["example.com/x"]},"spec":{"size":4}}""")).Demand(201);
        (await api.DeleteAsync(Definitions + "/widgets.example.com")).Demand(200);
        Assert.True((await api.GetAsync(Definitions + "/widgets.example.com")).Demand(200).Has("metadata.deletionTimestamp"));
        var refused = (await api.PostAsync(Widgets, """{"metadata":{"name":"b"},"spec":{"size":4}}""")).Demand(405);
        Assert.Equal("create not allowed while custom resource definition is terminating", refused.Message);
    }

    [Fact]
    public async Task A_new_definition_does_not_make_a_server_unready()
    {
        await using var inner = new Trireme.Storage.InMemory.InMemoryStore();
        var store = new Pipeline.UnreliableStore(inner);
        await using var api = await new RegistryHarness(store).WithNamespaceAsync();
        await Eventually.HoldsAsync(() => api.Registry.UnsyncedResources.Count == 0, "all caches are filled");
        var slow = new TaskCompletionSource();
        store.ListsGoOn = slow.Task;
        (await api.PostAsync(Definitions, Definition)).Demand(201);
        (await api.GetAsync(Definitions)).Demand(200);

        Assert.False(api.Registry.HasSynced("example.com", "widgets"));
        Assert.Empty(api.Registry.UnsyncedResources);
        slow.SetResult();
        (await api.GetAsync(Widgets)).Demand(200);
    }

    [Fact]
    public async Task Names_that_are_taken_are_not_accepted()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Definitions, Definition)).Demand(201);
        (await api.GetAsync(Definitions)).Demand(200);
        var second = (await api.PostAsync(Definitions, Definition.Replace("widgets", "gadgets", StringComparison.Ordinal))).Demand(201);
        Assert.Contains(second["status.conditions"].EnumerateArray(), c => c.GetProperty("type").GetString() == "NamesAccepted" && c.GetProperty("status").GetString() == "False");
    }

    [Fact]
    public async Task Events_are_the_same_objects_in_both_groups()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(
            "/apis/events.k8s.io/v1/namespaces/default/events",
            """{"metadata":{"name":"e"},"eventTime":"2026-01-02T03:04:05.000000Z","regarding":{"kind":"Pod","name":"p","namespace":"default"},"note":"n","reason":"r","type":"Normal","action":"a","reportingController":"c","reportingInstance":"i"}""")).Demand(201);
        var core = (await api.GetAsync("/api/v1/namespaces/default/events/e")).Demand(200);
        Assert.Equal(("v1", "p", "n"), (core.Text("apiVersion"), core.Text("involvedObject.name"), core.Text("message")));
        var found = (await api.GetAsync("/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=regarding.name%3Dp")).Demand(200);
        Assert.Equal("n", found.Text("items.0.note"));
    }
}
