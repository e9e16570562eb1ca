using Trireme.ApiServer.Tests.Registry;

namespace Trireme.ApiServer.Tests.Admission;

public sealed class QuotaTests
{
    private const string Namespace = "/api/v1/namespaces/default";

    [Fact]
    public async Task A_pod_need_not_say_what_it_takes_of_storage_or_devices()
    {
        await using var api = await WithQuotaAsync("""{"hard":{"requests.storage":"1Gi","requests.example.com/gpu":"1","requests.ephemeral-storage":"1Gi","limits.ephemeral-storage":"1Gi"}}""");
        (await api.PostAsync(Namespace + "/pods", Pod("plain", "{}"))).Demand(201);
        (await api.PostAsync(Namespace + "/pods", Pod("one", """{"limits":{"example.com/gpu":"1"},"requests":{"example.com/gpu":"1"}}"""))).Demand(201);
        var refused = (await api.PostAsync(Namespace + "/pods", Pod("two", """{"limits":{"example.com/gpu":"1"},"requests":{"example.com/gpu":"1"}}"""))).Demand(403);
        Assert.Contains("exceeded quota: q, requested: requests.example.com/gpu=1, used: requests.example.com/gpu=1, limited: requests.example.com/gpu=1", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_container_says_its_cpu_and_memory_where_they_are_limited_be_it_nothing()
    {
        await using var api = await WithQuotaAsync("""{"hard":{"cpu":"1","limits.memory":"1Gi"}}""");
        var refused = (await api.PostAsync(
            Namespace + "/pods",
            """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"b","image":"i"},{"name":"a","image":"i","resources":{"requests":{"cpu":"1"},"limits":{"memory":"1Gi"}}}]}}""")).Demand(403);
        Assert.Contains("failed quota: q: must specify cpu for: b; limits.memory for: b", refused.Message, StringComparison.Ordinal);
        (await api.PostAsync(Namespace + "/pods", Pod("p", """{"requests":{"cpu":"0"},"limits":{"memory":"0"}}"""))).Demand(201);
        (await api.PostAsync(Namespace + "/pods", Pod("q", """{"requests":{"cpu":"600m"},"limits":{"memory":"512Mi"}}"""))).Demand(201);
        var exceeded = (await api.PostAsync(Namespace + "/pods", Pod("r", """{"requests":{"cpu":"500m"},"limits":{"memory":"1"}}"""))).Demand(403);
        Assert.Contains("exceeded quota: q, requested: cpu=500m, used: cpu=600m, limited: cpu=1", exceeded.Message, StringComparison.Ordinal);
        Assert.Equal("512Mi", (await api.GetAsync(Namespace + "/resourcequotas/q"))["status.used"].GetProperty("limits.memory").GetString());
    }

    [Fact]
    public async Task Claims_are_limited_by_their_size()
    {
        await using var api = await WithQuotaAsync("""{"hard":{"requests.storage":"3Gi","slow.storageclass.storage.k8s.io/requests.storage":"1Gi"}}""");
        (await api.PostAsync(Namespace + "/persistentvolumeclaims", Claim("a", "2Gi", "fast"))).Demand(201);
        (await api.PostAsync(Namespace + "/persistentvolumeclaims", Claim("b", "2Gi", "fast"))).Demand(403);
        (await api.PostAsync(Namespace + "/persistentvolumeclaims", Claim("c", "1Gi", "slow"))).Demand(201);
    }

    [Fact]
    public async Task Services_are_limited_by_what_they_take_of_the_nodes_also_when_they_change()
    {
        await using var api = await WithQuotaAsync("""{"hard":{"services.loadbalancers":"0","services.nodeports":"1"}}""");
        (await api.PostAsync(Namespace + "/services", Service("a", "NodePort"))).Demand(201);
        (await api.PostAsync(Namespace + "/services", Service("b", "NodePort"))).Demand(403);
        (await api.PostAsync(Namespace + "/services", Service("b", "LoadBalancer"))).Demand(403);
        (await api.PostAsync(Namespace + "/services", Service("b", "ClusterIP"))).Demand(201);
        (await api.MergeAsync(Namespace + "/services/b", """{"spec":{"type":"NodePort"}}""")).Demand(403);
        (await api.MergeAsync(Namespace + "/services/b", """{"metadata":{"labels":{"a":"b"}}}""")).Demand(200);
    }

    [Theory]
    [InlineData("""{"hard":{"pods":"0"},"scopes":["BestEffort"]}""", true, false)]
    [InlineData("""{"hard":{"pods":"0"},"scopes":["NotBestEffort"]}""", false, true)]
    [InlineData("""{"hard":{"pods":"0"},"scopes":["NotTerminating"]}""", true, true)]
    [InlineData("""{"hard":{"pods":"0"},"scopes":["Terminating"]}""", false, false)]
    [InlineData("""{"hard":{"pods":"0"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["high"]}]}}""", false, false)]
    [InlineData("""{"hard":{"pods":"0"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"DoesNotExist"}]}}""", true, true)]
    public async Task A_quota_with_scopes_is_about_those_pods_alone(string quota, bool refusesPlain, bool refusesBurstable)
    {
        await using var api = await WithQuotaAsync(quota);
        (await api.PostAsync(Namespace + "/pods", Pod("plain", "{}"))).Demand(refusesPlain ? 403 : 201);
        (await api.PostAsync(Namespace + "/pods", Pod("burstable", """{"requests":{"cpu":"100m"}}"""))).Demand(refusesBurstable ? 403 : 201);
        (await api.PostAsync(Namespace + "/configmaps", """{"metadata":{"name":"m"}}""")).Demand(201);
    }

    private static async Task<RegistryHarness> WithQuotaAsync(string spec)
    {
        var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Namespace + "/resourcequotas", $$"""{"metadata":{"name":"q"},"spec":{{spec}} }""")).Demand(201);
        (await api.GetAsync(Namespace + "/resourcequotas")).Demand(200);
        return api;
    }

    private static string Pod(string name, string resources) =>
        $$"""{"metadata":{"name":"{{name}}"},"spec":{"containers":[{"name":"c","image":"i","resources":{{resources}} }]} }""";

    private static string Claim(string name, string size, string storageClass) =>
        $$"""{"metadata":{"name":"{{name}}"},"spec":{"storageClassName":"{{storageClass}}","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"{{size}}"} } } }""";

    private static string Service(string name, string type) =>
        $$"""{"metadata":{"name":"{{name}}"},"spec":{"type":"{{type}}","ports":[{"port":80}]} }""";
}
