using Trireme.ApiServer.Tests.Registry;

namespace Trireme.ApiServer.Tests.Admission;

public sealed class AdmissionTests
{
    private const string Pods = "/api/v1/namespaces/default/pods";
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    private static string Pod(string name, string spec = "", string resources = "{}") =>
        $$"""{"metadata":{"name":"{{name}}"},"spec":{ {{spec}} "containers":[{"name":"c","image":"i","resources":{{resources}} }]} }""";

    [Fact]
    public async Task Nothing_is_created_in_a_namespace_that_does_not_exist_or_terminates()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var missing = (await api.PostAsync("/api/v1/namespaces/none/configmaps", """{"metadata":{"name":"a"}}""")).Demand(404);
        Assert.Equal("namespaces \"none\" not found", missing.Message);
        (await api.PostAsync("/api/v1/namespaces", """{"metadata":{"name":"ending"}}""")).Demand(201);
        (await api.DeleteAsync("/api/v1/namespaces/ending")).Demand(200);

        // Admission reads namespaces from the cache; a consistent read returns once the cache has the deletion.
        (await api.GetAsync("/api/v1/namespaces")).Demand(200);
        var terminating = (await api.PostAsync("/api/v1/namespaces/ending/configmaps", """{"metadata":{"name":"a"}}""")).Demand(403);
        Assert.Equal(
            "configmaps \"a\" is forbidden: unable to create new content in namespace ending because it is being terminated", terminating.Message);
        Assert.Equal("NamespaceTerminating", terminating.Text("details.causes.0.reason"));
        (await api.DeleteAsync("/api/v1/namespaces/default")).Demand(403);
    }

    [Fact]
    public async Task A_pod_gets_its_service_account_and_a_token_volume()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var pod = (await api.PostAsync(Pods, Pod("p"))).Demand(201);
        Assert.Equal(("default", "default"), (pod.Text("spec.serviceAccountName"), pod.Text("spec.serviceAccount")));
        var volume = pod.Text("spec.volumes.0.name");
        Assert.StartsWith("kube-api-access-", volume, StringComparison.Ordinal);
        Assert.Equal("3607", pod.Text("spec.volumes.0.projected.sources.0.serviceAccountToken.expirationSeconds"));
        Assert.Equal(
            (volume, "/var/run/secrets/kubernetes.io/serviceaccount"),
            (pod.Text("spec.containers.0.volumeMounts.0.name"), pod.Text("spec.containers.0.volumeMounts.0.mountPath")));
        var plain = (await api.PostAsync(Pods, Pod("q", "\"automountServiceAccountToken\":false,"))).Demand(201);
        Assert.False(plain.Has("spec.volumes"));
        var unknown = (await api.PostAsync(Pods, Pod("r", "\"serviceAccountName\":\"none\","))).Demand(403);
        Assert.Contains("error looking up service account default/none: serviceaccount \"none\" not found", unknown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pod_gets_priority_tolerations_and_quality_of_service()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync("/apis/scheduling.k8s.io/v1/priorityclasses", """{"metadata":{"name":"high"},"value":1000}""")).Demand(201);
        var pod = (await api.PostAsync(Pods, Pod("p", "\"priorityClassName\":\"high\",", """{"limits":{"cpu":"1","memory":"1Gi"}}"""))).Demand(201);
        Assert.Equal(("1000", "PreemptLowerPriority"), (pod.Text("spec.priority"), pod.Text("spec.preemptionPolicy")));
        Assert.Equal(["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"], pod["spec.tolerations"].EnumerateArray().Select(t => t.GetProperty("key").GetString()));
        Assert.Equal(("Pending", "Guaranteed"), (pod.Text("status.phase"), pod.Text("status.qosClass")));
        (await api.PostAsync(Pods, Pod("q", "\"priorityClassName\":\"none\","))).Demand(403);
    }

    [Fact]
    public async Task A_limit_range_gives_defaults_and_bounds()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(
            "/api/v1/namespaces/default/limitranges",
            """{"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container","default":{"cpu":"500m"},"defaultRequest":{"cpu":"100m"},"max":{"cpu":"1"}}]}}""")).Demand(201);
        await api.GetAsync("/api/v1/namespaces/default/limitranges");
        var pod = (await api.PostAsync(Pods, Pod("p"))).Demand(201);
        Assert.Equal(("500m", "100m"), (pod.Text("spec.containers.0.resources.limits.cpu"), pod.Text("spec.containers.0.resources.requests.cpu")));
        var refused = (await api.PostAsync(Pods, Pod("q", "", """{"limits":{"cpu":"2"}}"""))).Demand(403);
        Assert.Contains("maximum cpu usage per Container is 1, but limit is 2", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_quota_is_never_exceeded_however_many_create_at_once_at_two_servers()
    {
        await using var one = await new RegistryHarness().WithNamespaceAsync();
        await using var other = new RegistryHarness(one.Store);
        (await one.PostAsync("/api/v1/namespaces/default/resourcequotas", """{"metadata":{"name":"q"},"spec":{"hard":{"configmaps":"5"}}}""")).Demand(201);
        await one.GetAsync("/api/v1/namespaces/default/resourcequotas");
        await other.GetAsync("/api/v1/namespaces/default/resourcequotas");
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(i =>
            (i % 2 == 0 ? one : other).PostAsync(ConfigMaps, $$"""{"metadata":{"name":"c{{i}}"} }""")));

        Assert.Equal(5, answers.Count(a => a.Code == 201));
        Assert.All(answers.Where(a => a.Code != 201), a => Assert.Contains("exceeded quota: q", a.Message, StringComparison.Ordinal));
        Assert.Equal("5", (await one.GetAsync("/api/v1/namespaces/default/resourcequotas/q")).Text("status.used.configmaps"));
    }

    [Fact]
    public async Task A_new_node_is_tainted_until_it_is_ready()
    {
        await using var api = new RegistryHarness();
        var node = (await api.PostAsync("/api/v1/nodes", """{"metadata":{"name":"n"},"status":{"capacity":{"cpu":"2"}}}""")).Demand(201);
        Assert.Equal(("node.kubernetes.io/not-ready", "NoSchedule"), (node.Text("spec.taints.0.key"), node.Text("spec.taints.0.effect")));
        Assert.Equal("2", node.Text("status.capacity.cpu"));
    }
}
