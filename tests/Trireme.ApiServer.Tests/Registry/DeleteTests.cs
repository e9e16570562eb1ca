namespace Trireme.ApiServer.Tests.Registry;

public sealed class DeleteTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Pods = "/api/v1/namespaces/default/pods";

    private const string Pod =
        """{"metadata":{"name":"p"},"spec":{"terminationGracePeriodSeconds":30,"containers":[{"name":"c","image":"i"}]}}""";

    [Fact]
    public async Task A_deletion_answers_with_status_and_uid()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var created = (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand();
        var deleted = (await api.DeleteAsync(ConfigMaps + "/a")).Demand(200);
        Assert.Equal(("Status", "Success"), (deleted.Text("kind"), deleted.Text("status")));
        Assert.Equal(("a", "configmaps", created.Text("metadata.uid")), (deleted.Text("details.name"), deleted.Text("details.kind"), deleted.Text("details.uid")));
        (await api.DeleteAsync(ConfigMaps + "/a")).Demand(404);
    }

    [Fact]
    public async Task Preconditions_protect_the_object()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var created = (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand();
        var uid = created.Text("metadata.uid");
        var refused = (await api.DeleteAsync(ConfigMaps + "/a", """{"preconditions":{"uid":"other"}}""")).Demand(409);
        Assert.Contains($"Precondition failed: UID in precondition: other, UID in object meta: {uid}", refused.Message, StringComparison.Ordinal);
        (await api.DeleteAsync(ConfigMaps + "/a", """{"preconditions":{"resourceVersion":"1"}}""")).Demand(409);
        (await api.DeleteAsync(ConfigMaps + "/a", $$"""{"preconditions":{"uid":"{{uid}}"} }""")).Demand(200);
    }

    [Fact]
    public async Task Finalizers_keep_an_object_until_the_last_is_removed()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a","finalizers":["example.com/x"]}}""")).Demand();
        var marked = (await api.DeleteAsync(ConfigMaps + "/a")).Demand(200);
        Assert.True(marked.Has("metadata.deletionTimestamp"));
        Assert.Equal("0", marked.Text("metadata.deletionGracePeriodSeconds"));
        var again = (await api.DeleteAsync(ConfigMaps + "/a")).Demand(200);
        Assert.Equal(marked.Text("metadata.resourceVersion"), again.Text("metadata.resourceVersion"));
        (await api.MergeAsync(ConfigMaps + "/a", """{"metadata":{"finalizers":null}}""")).Demand(200);
        (await api.GetAsync(ConfigMaps + "/a")).Demand(404);
    }

    [Theory]
    [InlineData("Foreground", "foregroundDeletion")]
    [InlineData("Orphan", "orphan")]
    public async Task The_propagation_policy_becomes_a_finalizer(string policy, string finalizer)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand();
        var marked = (await api.DeleteAsync(ConfigMaps + "/a", $$"""{"propagationPolicy":"{{policy}}"}""")).Demand(200);
        Assert.Equal(finalizer, marked.Text("metadata.finalizers.0"));
        (await api.DeleteAsync(ConfigMaps + "/a", """{"propagationPolicy":"Sideways"}""")).Demand(422);
    }

    [Fact]
    public async Task A_pod_that_runs_nowhere_goes_at_once()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Pods, Pod)).Demand(201);
        Assert.Equal("Pod", (await api.DeleteAsync(Pods + "/p")).Demand(200).Text("kind"));
        (await api.GetAsync(Pods + "/p")).Demand(404);
    }

    [Fact]
    public async Task A_running_pod_gets_its_grace_period_which_may_only_shrink()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        await RunAsync(api);
        Assert.Equal("30", (await api.DeleteAsync(Pods + "/p")).Demand(200).Text("metadata.deletionGracePeriodSeconds"));
        Assert.Equal("5", (await api.DeleteAsync(Pods + "/p", """{"gracePeriodSeconds":5}""")).Demand(200).Text("metadata.deletionGracePeriodSeconds"));
        Assert.Equal("5", (await api.DeleteAsync(Pods + "/p", """{"gracePeriodSeconds":20}""")).Demand(200).Text("metadata.deletionGracePeriodSeconds"));
        (await api.GetAsync(Pods + "/p")).Demand(200);
        (await api.DeleteAsync(Pods + "/p", """{"gracePeriodSeconds":0}""")).Demand(200);
        (await api.GetAsync(Pods + "/p")).Demand(404);
    }

    [Fact]
    public async Task A_terminating_pod_stays_with_its_agent_however_often_it_is_deleted_or_evicted()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        await RunAsync(api);
        var marked = (await api.DeleteAsync(Pods + "/p")).Demand(200);
        (await api.MergeAsync(Pods + "/p/status", """{"status":{"phase":"Succeeded"}}""")).Demand(200);

        var again = (await api.DeleteAsync(Pods + "/p")).Demand(200);
        Assert.Equal(marked.Text("metadata.deletionTimestamp"), again.Text("metadata.deletionTimestamp"));
        (await api.PostAsync(Pods + "/p/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"}}""")).Demand(201);
        (await api.GetAsync(Pods + "/p")).Demand(200);
        (await api.DeleteAsync(Pods + "/p", """{"gracePeriodSeconds":0}""")).Demand(200);
        (await api.GetAsync(Pods + "/p")).Demand(404);
    }

    [Fact]
    public async Task A_collection_is_deleted_by_selector()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        for (var i = 0; i < 20; i++)
        {
            (await api.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"a{{i}}","labels":{"odd":"{{i % 2}}"} } }""")).Demand();
        }

        var deleted = (await api.DeleteAsync(ConfigMaps + "?labelSelector=odd%3D1")).Demand(200);
        Assert.Equal(10, deleted["items"].GetArrayLength());
        Assert.Equal(10, (await api.GetAsync(ConfigMaps))["items"].GetArrayLength());
    }

    [Fact]
    public async Task A_namespace_terminates_until_its_finalizer_is_lifted()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync("gone");
        var created = (await api.GetAsync("/api/v1/namespaces/gone")).Demand(200);
        Assert.Equal(("kubernetes", "Active"), (created.Text("spec.finalizers.0"), created.Text("status.phase")));
        var marked = (await api.DeleteAsync("/api/v1/namespaces/gone")).Demand(200);
        Assert.Equal("Terminating", marked.Text("status.phase"));
        (await api.PutAsync("/api/v1/namespaces/gone/finalize", """{"metadata":{"name":"gone"},"spec":{"finalizers":[]}}""")).Demand(200);
        (await api.GetAsync("/api/v1/namespaces/gone")).Demand(404);
    }

    [Fact]
    public async Task Binding_assigns_a_pod_once()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Pods, Pod)).Demand(201);
        (await api.PostAsync(Pods + "/p/binding", """{"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}}""")).Demand(201);
        var bound = (await api.GetAsync(Pods + "/p")).Demand(200);
        Assert.Equal(("n1", "PodScheduled"), (bound.Text("spec.nodeName"), bound.Text("status.conditions.0.type")));
        var refused = (await api.PostAsync(Pods + "/p/binding", """{"target":{"name":"n2"}}""")).Demand(409);
        Assert.Equal("Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"", refused.Message);
    }

    [Fact]
    public async Task An_eviction_charges_the_budget_and_is_refused_when_it_is_spent()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        await RunAsync(api);
        (await api.MergeAsync(Pods + "/p", """{"metadata":{"labels":{"app":"web"}}}""")).Demand();
        const string Budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
        (await api.PostAsync(Budgets, """{"metadata":{"name":"b"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}}}}""")).Demand(201);
        (await api.MergeAsync(Budgets + "/b/status", """{"status":{"observedGeneration":1,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1,"disruptionsAllowed":0}}""")).Demand(200);
        (await api.MergeAsync(Pods + "/p/status", """{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}""")).Demand(200);

        var refused = (await api.PostAsync(Pods + "/p/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"}}""")).Demand(429);
        Assert.Equal("Cannot evict pod as it would violate the pod's disruption budget.", refused.Message);
        Assert.Equal("DisruptionBudget", refused.Text("details.causes.0.reason"));
        (await api.MergeAsync(Budgets + "/b/status", """{"status":{"disruptionsAllowed":1}}""")).Demand(200);
        (await api.PostAsync(Pods + "/p/eviction", """{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"}}""")).Demand(201);
        Assert.True((await api.GetAsync(Pods + "/p")).Demand(200).Has("metadata.deletionTimestamp"));
        var budget = (await api.GetAsync(Budgets + "/b")).Demand(200);
        Assert.Equal("0", budget.Text("status.disruptionsAllowed"));
        Assert.True(budget.Has("status.disruptedPods.p"));
    }

    private static async Task RunAsync(RegistryHarness api)
    {
        (await api.PostAsync(Pods, Pod)).Demand(201);
        (await api.PostAsync(Pods + "/p/binding", """{"target":{"kind":"Node","name":"n1"}}""")).Demand(201);
        (await api.MergeAsync(Pods + "/p/status", """{"status":{"phase":"Running"}}""")).Demand(200);
    }
}
