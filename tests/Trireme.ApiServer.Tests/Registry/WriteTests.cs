using System.Text;
using Trireme.ApiServer.Tests.Pipeline;
using Trireme.Storage;
using Trireme.Storage.InMemory;
using Trireme.TestKit;

namespace Trireme.ApiServer.Tests.Registry;

public sealed class WriteTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    [Fact]
    public async Task A_created_object_has_identity_and_can_be_read_at_once()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var created = (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"v"}}""")).Demand(201);

        Assert.Equal("ConfigMap", created.Text("kind"));
        Assert.Equal("v1", created.Text("apiVersion"));
        Assert.Equal("default", created.Text("metadata.namespace"));
        Assert.True(Guid.TryParse(created.Text("metadata.uid"), out _));
        Assert.EndsWith("Z", created.Text("metadata.creationTimestamp"), StringComparison.Ordinal);
        var read = (await api.GetAsync(ConfigMaps + "/a")).Demand(200);
        Assert.Equal(created.Text("metadata.resourceVersion"), read.Text("metadata.resourceVersion"));
        var again = (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand(409);
        Assert.Equal("configmaps \"a\" already exists", again.Message);
        Assert.Equal("AlreadyExists", again.Text("reason"));
    }

    [Fact]
    public async Task A_new_object_has_the_empty_status_that_typed_clients_read()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var created = (await api.PostAsync(
            "/apis/apps/v1/namespaces/default/daemonsets",
            """{"metadata":{"name":"d"},"status":{"numberReady":7},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}""")).Demand(201);

        Assert.Equal("""{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}""", created.Text("status"));
    }

    [Fact]
    public async Task What_is_stored_has_no_resource_version()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"v"}}""")).Demand();
        var stored = (await api.Store.GetAsync("/registry/configmaps/default/a", null, TestContext.Current.CancellationToken)).Entry!;
        Assert.DoesNotContain("resourceVersion", Encoding.UTF8.GetString(stored.Value.Span), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PUT", 0, 200, "old")]
    [InlineData("PUT", 2, 409, "new")]
    [InlineData("PATCH", 2, 409, "new")]
    [InlineData("DELETE", 2, 409, "new")]
    public async Task A_write_whose_client_has_given_up_does_not_undo_what_came_after_it(string method, int seconds, int code, string remains)
    {
        var time = new HaltingTime();
        await using var inner = new InMemoryStore();
        var store = new UnreliableStore(inner);
        await using var api = await new RegistryHarness(store, time).WithNamespaceAsync();
        await using var other = new RegistryHarness(inner);
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"first"}}""")).Demand(201);
        (await other.GetAsync(ConfigMaps + "/a")).Demand(200);

        // The write stands before a store that does not answer; its client makes another one through another server.
        var trouble = new TaskCompletionSource();
        store.CommitsGoOn = trouble.Task;
        var late = method == "PATCH" ? api.MergeAsync(ConfigMaps + "/a", """{"data":{"k":"old"}}""") : api.SendAsync(method, ConfigMaps + "/a", method == "PUT" ? """{"data":{"k":"old"}}""" : "");
        (await other.PutAsync(ConfigMaps + "/a", """{"data":{"k":"new"}}""")).Demand(200);
        time.Halt(TimeSpan.FromSeconds(seconds));
        trouble.SetResult();

        Assert.Equal(code, (await late).Code);
        Assert.Equal(remains, (await other.GetAsync(ConfigMaps + "/a")).Demand(200).Text("data.k"));
    }

    [Fact]
    public async Task Yaml_is_read_and_unknown_formats_are_refused()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var created = await api.SendAsync("POST", ConfigMaps, "metadata:\n  name: a\ndata:\n  k: v\n", "application/yaml");
        Assert.Equal("v", created.Demand(201).Text("data.k"));
        (await api.SendAsync("POST", ConfigMaps, "x", "text/plain")).Demand(415);
    }

    [Theory]
    [InlineData("""{"kind":"Secret","metadata":{"name":"a"}}""", 400)]
    [InlineData("""{"apiVersion":"v2","metadata":{"name":"a"}}""", 400)]
    [InlineData("""{"metadata":{"name":"a","namespace":"other"}}""", 400)]
    [InlineData("""{"metadata":{"name":"a","resourceVersion":"5"}}""", 400)]
    [InlineData("""{"metadata":{}}""", 422)]
    [InlineData("""{"metadata":""", 400)]
    [InlineData("[]", 400)]
    public async Task What_does_not_fit_its_path_is_refused(string body, int code)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps, body)).Demand(code);
    }

    [Fact]
    public async Task Generated_names_are_unique()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var names = new HashSet<string>();
        for (var i = 0; i < 50; i++)
        {
            names.Add((await api.PostAsync(ConfigMaps, """{"metadata":{"generateName":"x-"}}""")).Demand(201).Text("metadata.name"));
        }

        Assert.Equal(50, names.Count);
        Assert.All(names, n => Assert.Matches("^x-[bcdfghjklmnpqrstvwxz2456789]{5}$", n));
    }

    [Fact]
    public async Task An_update_must_be_made_from_the_newest_version()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var first = (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand();
        var version = first.Text("metadata.resourceVersion");
        var second = (await api.PutAsync(ConfigMaps + "/a", $$"""{"metadata":{"name":"a","resourceVersion":"{{version}}"},"data":{"k":"1"} }""")).Demand(200);
        Assert.Equal(first.Text("metadata.uid"), second.Text("metadata.uid"));
        var conflict = (await api.PutAsync(ConfigMaps + "/a", $$"""{"metadata":{"name":"a","resourceVersion":"{{version}}"},"data":{"k":"2"} }""")).Demand(409);
        Assert.Equal(
            "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again",
            conflict.Message);
        (await api.PutAsync(ConfigMaps + "/a", """{"metadata":{"name":"a"},"data":{"k":"3"}}""")).Demand(200);
        (await api.PutAsync(ConfigMaps + "/a", """{"metadata":{"name":"b"}}""")).Demand(400);
        (await api.PutAsync(ConfigMaps + "/none", """{"metadata":{"name":"none"}}""")).Demand(404);
        (await api.PutAsync(ConfigMaps + "/a", """{"metadata":{"name":"a","uid":"other"}}""")).Demand(409);
    }

    [Fact]
    public async Task An_update_that_changes_nothing_makes_no_new_version()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var first = (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"v"}}""")).Demand();
        var again = (await api.PutAsync(ConfigMaps + "/a", first.Body.GetRawText())).Demand(200);
        Assert.Equal(first.Text("metadata.resourceVersion"), again.Text("metadata.resourceVersion"));
    }

    [Fact]
    public async Task Kinds_that_allow_it_are_created_by_update()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PutAsync("/apis/coordination.k8s.io/v1/namespaces/default/leases/l", """{"metadata":{"name":"l"},"spec":{}}""")).Demand(201);
        var refused = (await api.PutAsync("/apis/coordination.k8s.io/v1/namespaces/default/leases/l", """{"metadata":{"name":"l"},"spec":{}}""")).Demand(422);
        Assert.Contains("must be specified for an update", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Concurrent_patches_all_take_effect()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => api.MergeAsync(ConfigMaps + "/a", $$"""{"data":{"k{{i}}":"v"} }""")));
        Assert.Equal(20, (await api.GetAsync(ConfigMaps + "/a"))["data"].EnumerateObject().Count());
    }

    [Fact]
    public async Task Patches_of_all_kinds_work()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a","labels":{"x":"1"}},"data":{"k":"v"}}""")).Demand();
        var merged = (await api.MergeAsync(ConfigMaps + "/a", """{"data":{"k":null,"m":"1"}}""")).Demand(200);
        Assert.False(merged.Has("data.k"));
        var json = (await api.SendAsync(
            "PATCH", ConfigMaps + "/a", """[{"op":"test","path":"/data/m","value":"1"},{"op":"add","path":"/data/j","value":"2"}]""", "application/json-patch+json")).Demand(200);
        Assert.Equal("2", json.Text("data.j"));
        var strategic = (await api.SendAsync(
            "PATCH", ConfigMaps + "/a", """{"metadata":{"labels":{"y":"2"}}}""", "application/strategic-merge-patch+json")).Demand(200);
        Assert.Equal("1", strategic.Text("metadata.labels.x"));
        (await api.SendAsync("PATCH", ConfigMaps + "/a", "{}", "application/unknown")).Demand(415);
        (await api.MergeAsync(ConfigMaps + "/none", "{}")).Demand(404);
        (await api.MergeAsync(ConfigMaps + "/a", """{"metadata":{"resourceVersion":"1"}}""")).Demand(409);
        (await api.MergeAsync(ConfigMaps + "/a", """{"metadata":{"name":"b"}}""")).Demand(400);
    }

    [Fact]
    public async Task Apply_creates_owns_and_conflicts()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        Task<Answer> ApplyAsync(string query, string yaml) => api.SendAsync("PATCH", $"{ConfigMaps}/a?{query}", yaml, "application/apply-patch+yaml");
        const string One = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: \"1\"\n";
        (await ApplyAsync("", One)).Demand(422);
        (await ApplyAsync("fieldManager=one", One)).Demand(201);
        (await ApplyAsync("fieldManager=one", One)).Demand(200);
        var conflict = (await ApplyAsync("fieldManager=two", One.Replace("\"1\"", "\"2\"", StringComparison.Ordinal))).Demand(409);
        Assert.Contains("conflict", conflict.Message, StringComparison.Ordinal);
        var forced = (await ApplyAsync("fieldManager=two&force=true", One.Replace("\"1\"", "\"2\"", StringComparison.Ordinal))).Demand(200);
        Assert.Equal("2", forced.Text("data.k"));
        (await api.MergeAsync(ConfigMaps + "/a?fieldManager=three", """{"data":{"k":"3"}}""")).Demand(200);
        (await ApplyAsync("fieldManager=two", One.Replace("\"1\"", "\"2\"", StringComparison.Ordinal))).Demand(409);
    }

    [Fact]
    public async Task Of_two_applies_that_would_create_the_later_updates()
    {
        await using var inner = new InMemoryStore();
        var store = new UnreliableStore(inner);
        await using var api = await new RegistryHarness(store).WithNamespaceAsync();
        Task<Answer> ApplyAsync(string manager) => api.SendAsync(
            "PATCH", $"{ConfigMaps}/a?fieldManager={manager}", $"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  {manager}: \"1\"\n", "application/apply-patch+yaml");
        var both = new TaskCompletionSource();
        store.CommitsGoOn = both.Task;
        Task<Answer>[] applies = [ApplyAsync("one"), ApplyAsync("two")];
        both.SetResult();

        Assert.Equal([200, 201], (await Task.WhenAll(applies)).Select(a => a.Code).Order());
        Assert.Equal("""{"one":"1","two":"1"}""", FieldOwnershipTests.Sorted((await api.GetAsync(ConfigMaps + "/a"))["data"]));
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("PATCH")]
    public async Task Who_may_only_change_makes_nothing_new(string method)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
        const string Lease = """{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{}}""";
        Task<Answer> WriteAsync() => api.SendAsync(method, $"{Leases}/l?fieldManager=m", Lease, method == "PATCH" ? "application/apply-patch+yaml" : null);
        api.Allows = a => a.Verb != "create";
        var refused = (await WriteAsync()).Demand(403);
        Assert.Contains("cannot create resource \"leases\" in API group \"coordination.k8s.io\" in the namespace \"default\"", refused.Message, StringComparison.Ordinal);
        (await api.GetAsync(Leases + "/l")).Demand(404);
        api.Allows = static _ => true;
        (await WriteAsync()).Demand(201);
    }

    [Fact]
    public async Task What_cannot_be_answered_is_not_done()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        api.Accept = "application/vnd.kubernetes.protobuf";
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand(406);
        api.Accept = null;
        (await api.GetAsync(ConfigMaps + "/a")).Demand(404);
    }

    [Fact]
    public async Task A_write_in_the_old_version_of_autoscalers_keeps_what_only_the_new_one_says()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Path = "namespaces/default/horizontalpodautoscalers";
        (await api.PostAsync(
            $"/apis/autoscaling/v2/{Path}",
            """
            {"metadata":{"name":"h"},"spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"},
            "metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}},{"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"1Gi"}}}],
            "behavior":{"scaleDown":{"stabilizationWindowSeconds":60}}}}
            """)).Demand(201);
        var old = (await api.MergeAsync($"/apis/autoscaling/v1/{Path}/h", """{"spec":{"maxReplicas":5}}""")).Demand(200);
        Assert.Equal(("5", "50"), (old.Text("spec.maxReplicas"), old.Text("spec.targetCPUUtilizationPercentage")));
        var kept = (await api.GetAsync($"/apis/autoscaling/v2/{Path}/h")).Demand(200);
        Assert.Equal(["cpu", "memory"], kept["spec.metrics"].EnumerateArray().Select(m => m.GetProperty("resource").GetProperty("name").GetString()).Order());
        Assert.Equal("60", kept.Text("spec.behavior.scaleDown.stabilizationWindowSeconds"));
        (await api.MergeAsync($"/apis/autoscaling/v1/{Path}/h", """{"metadata":{"annotations":{"autoscaling.alpha.kubernetes.io/metrics":"[7]"}}}""")).Demand(400);
    }

    [Fact]
    public async Task A_dry_run_says_what_would_be_and_changes_nothing()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps + "?dryRun=All", """{"metadata":{"name":"a"}}""")).Demand(201);
        (await api.GetAsync(ConfigMaps + "/a")).Demand(404);
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand(201);
        (await api.PostAsync(ConfigMaps + "?dryRun=All", """{"metadata":{"name":"a"}}""")).Demand(409);
        (await api.DeleteAsync(ConfigMaps + "/a?dryRun=All")).Demand(200);
        (await api.MergeAsync(ConfigMaps + "/a?dryRun=All", """{"data":{"k":"v"}}""")).Demand(200);
        Assert.False((await api.GetAsync(ConfigMaps + "/a")).Demand(200).Has("data.k"));
        (await api.PostAsync(ConfigMaps + "?dryRun=Some", """{"metadata":{"name":"b"}}""")).Demand(422);
    }

    [Fact]
    public async Task Generation_counts_changes_of_what_is_wanted()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Deployments = "/apis/apps/v1/namespaces/default/deployments";
        var created = (await api.PostAsync(Deployments, Deployment("d", 1))).Demand(201);
        Assert.Equal("1", created.Text("metadata.generation"));
        Assert.False(created.Has("status.replicas"));
        var scaled = (await api.MergeAsync(Deployments + "/d", """{"spec":{"replicas":3},"status":{"replicas":9}}""")).Demand(200);
        Assert.Equal("2", scaled.Text("metadata.generation"));
        Assert.False(scaled.Has("status.replicas"));
        var labelled = (await api.MergeAsync(Deployments + "/d", """{"metadata":{"labels":{"a":"b"}}}""")).Demand(200);
        Assert.Equal("2", labelled.Text("metadata.generation"));
        var status = (await api.MergeAsync(Deployments + "/d/status", """{"spec":{"replicas":7},"status":{"replicas":3,"observedGeneration":2}}""")).Demand(200);
        Assert.Equal(("2", "3", "3"), (status.Text("metadata.generation"), status.Text("spec.replicas"), status.Text("status.replicas")));
    }

    [Fact]
    public async Task Scale_reads_and_changes_replicas()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Path = "/apis/apps/v1/namespaces/default/deployments";
        (await api.PostAsync(Path, Deployment("d", 2))).Demand(201);
        var scale = (await api.GetAsync(Path + "/d/scale")).Demand(200);
        Assert.Equal(("Scale", "2", "app=d"), (scale.Text("kind"), scale.Text("spec.replicas"), scale.Text("status.selector")));
        (await api.MergeAsync(Path + "/d/scale", """{"spec":{"replicas":5}}""")).Demand(200);
        var put = (await api.PutAsync(Path + "/d/scale", scale.Body.GetRawText())).Demand(409);
        Assert.Equal("Conflict", put.Text("reason"));
        Assert.Equal("5", (await api.GetAsync(Path + "/d")).Text("spec.replicas"));
        (await api.MergeAsync(Path + "/d/scale", """{"spec":{"replicas":-1}}""")).Demand(422);
    }

    [Fact]
    public async Task Without_the_store_writes_fail_and_are_known_not_to_have_happened()
    {
        var store = new Cacher.StallingStore();
        await using var api = await new RegistryHarness(store).WithNamespaceAsync();
        (await api.GetAsync("/api/v1/namespaces/default")).Demand(200);
        store.Unavailable = true;
        var failure = await Assert.ThrowsAsync<StoreUnavailableException>(() => api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}"""));
        Assert.False(failure.MayHaveApplied);
        (await api.GetAsync("/api/v1/namespaces/default")).Demand(200);
    }

    internal static string Deployment(string name, int replicas) =>
        $$"""
        {"metadata":{"name":"{{name}}"},"spec":{"replicas":{{replicas}},"selector":{"matchLabels":{"app":"{{name}}"} },
        "template":{"metadata":{"labels":{"app":"{{name}}"} },"spec":{"containers":[{"name":"c","image":"i"}]} } } }
        """;
}
