using Trireme.ApiServer.Registry;

namespace Trireme.ApiServer.Tests.Registry;

public sealed class ServiceTests
{
    private const string Services = "/api/v1/namespaces/default/services";

    private static string Service(string name, string spec = "") =>
        $$"""{"metadata":{"name":"{{name}}"},"spec":{ {{spec}} "selector":{"a":"b"},"ports":[{"port":80}]} }""";

    [Fact]
    public async Task Two_servers_never_give_one_address_twice()
    {
        // A range of 14 addresses, 12 of which are given, by two servers at once.
        var options = new ResourceRegistryOptions { ServiceClusterIpRange = "10.0.0.0/28", Seed = 1 };
        await using var one = await new RegistryHarness(options: options).WithNamespaceAsync();
        await using var other = new RegistryHarness(one.Store, options: options);
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => (i % 2 == 0 ? one : other).PostAsync(Services, Service($"s{i}"))));

        var addresses = answers.Select(a => a.Demand(201).Text("spec.clusterIP")).ToList();
        Assert.Equal(12, addresses.Distinct().Count());
        Assert.DoesNotContain("10.0.0.1", addresses);
        Assert.DoesNotContain("10.0.0.10", addresses);
        Assert.DoesNotContain("10.0.0.0", addresses);
        Assert.DoesNotContain("10.0.0.15", addresses);
    }

    [Fact]
    public async Task An_address_is_given_as_asked_and_free_again_after_deletion()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var first = (await api.PostAsync(Services, Service("a", "\"clusterIP\":\"10.96.0.10\","))).Demand(201);
        Assert.Equal("10.96.0.10", first.Text("spec.clusterIPs.0"));
        Assert.Equal(("IPv4", "SingleStack"), (first.Text("spec.ipFamilies.0"), first.Text("spec.ipFamilyPolicy")));
        var taken = (await api.PostAsync(Services, Service("b", "\"clusterIP\":\"10.96.0.10\","))).Demand(422);
        Assert.Contains("failed to allocate IP 10.96.0.10: provided IP is already allocated", taken.Message, StringComparison.Ordinal);
        var outside = (await api.PostAsync(Services, Service("b", "\"clusterIP\":\"10.1.0.1\","))).Demand(422);
        Assert.Contains("is not in the valid range. The range of valid IPs is 10.96.0.0/16", outside.Message, StringComparison.Ordinal);
        (await api.DeleteAsync(Services + "/a")).Demand(200);
        (await api.PostAsync(Services, Service("b", "\"clusterIP\":\"10.96.0.10\","))).Demand(201);
    }

    [Fact]
    public async Task Node_ports_come_and_go_with_the_type()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var created = (await api.PostAsync(Services, Service("a", "\"type\":\"NodePort\","))).Demand(201);
        var port = created["spec.ports.0.nodePort"].GetInt32();
        Assert.InRange(port, 30000, 32767);
        var ip = created.Text("spec.clusterIP");
        var taken = (await api.PostAsync(Services, $$"""{"metadata":{"name":"b"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":{{port}} }]} }""")).Demand(422);
        Assert.Contains("provided port is already allocated", taken.Message, StringComparison.Ordinal);
        var kept = (await api.PutAsync(Services + "/a", Service("a", "\"type\":\"NodePort\","))).Demand(200);
        Assert.Equal((ip, port), (kept.Text("spec.clusterIP"), kept["spec.ports.0.nodePort"].GetInt32()));
        var plain = (await api.MergeAsync(Services + "/a", """{"spec":{"type":"ClusterIP"}}""")).Demand(200);
        Assert.False(plain["spec.ports.0"].TryGetProperty("nodePort", out _));
        (await api.PostAsync(Services, $$"""{"metadata":{"name":"b"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":{{port}} }]} }""")).Demand(201);
        (await api.PostAsync(Services, """{"metadata":{"name":"c"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":80}]}}""")).Demand(422);
    }

    [Fact]
    public async Task Headless_and_external_services_hold_no_address()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var headless = (await api.PostAsync(Services, Service("h", "\"clusterIP\":\"None\","))).Demand(201);
        Assert.Equal("None", headless.Text("spec.clusterIPs.0"));
        var external = (await api.PostAsync(Services, """{"metadata":{"name":"e"},"spec":{"type":"ExternalName","externalName":"example.com"}}""")).Demand(201);
        Assert.False(external.Has("spec.clusterIP"));
        var before = await api.Store.ListAsync(new("/registry/ranges/"), TestContext.Current.CancellationToken);
        Assert.Empty(before.Entries);
        (await api.PostAsync(Services, Service("two", "\"clusterIP\":\"None\","))).Demand(201);
    }

    [Theory]
    [InlineData("10.96.10")]
    [InlineData("10.96.0.010")]
    [InlineData("0x0a.96.0.10")]
    [InlineData("::ffff:10.96.0.10")]
    public async Task An_address_has_one_spelling(string address)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var refused = (await api.PostAsync(Services, Service("a", $"\"clusterIP\":\"{address}\","))).Demand(422);
        Assert.Contains("must be a valid IP address", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_IPv6_address_cannot_be_held_under_two_spellings()
    {
        await using var api = await new RegistryHarness(options: new ResourceRegistryOptions { ServiceClusterIpRange = "fd00::/112", Seed = 1 }).WithNamespaceAsync();
        (await api.PostAsync(Services, Service("a", "\"clusterIP\":\"fd00::a\","))).Demand(201);
        (await api.PostAsync(Services, Service("b", "\"clusterIP\":\"FD00:0::A\","))).Demand(422);
    }

    [Fact]
    public async Task An_update_to_a_node_port_that_is_taken_is_refused_at_once()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var port = (await api.PostAsync(Services, Service("a", "\"type\":\"NodePort\","))).Demand(201)["spec.ports.0.nodePort"].GetInt32();
        (await api.PostAsync(Services, Service("b"))).Demand(201);
        var refused = (await api.MergeAsync(Services + "/b", $$$"""{"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":{{{port}}}}]}}""")).Demand(422);
        Assert.Contains("provided port is already allocated", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_load_balancer_keeps_the_node_ports_that_it_asked_for_though_it_wants_none_given()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Spec = """{"metadata":{"name":"a","labels":{"n":"0"}},"spec":{"type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"ports":[{"port":80,"nodePort":31234},{"port":81,"name":"x"}]}}""";
        (await api.PostAsync(Services, Spec.Replace("\"port\":80", "\"name\":\"y\",\"port\":80", StringComparison.Ordinal))).Demand(201);
        var updated = (await api.MergeAsync(Services + "/a", """{"metadata":{"labels":{"n":"1"}}}""")).Demand(200);
        Assert.Equal("31234", updated.Text("spec.ports.0.nodePort"));
        Assert.False(updated["spec.ports.1"].TryGetProperty("nodePort", out _));
    }

    [Fact]
    public async Task More_node_ports_than_one_transaction_takes_are_refused_in_words()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var ports = string.Join(',', Enumerable.Range(1, 101).Select(i => $$$"""{"name":"p{{{i}}}","port":{{{i}}}}"""));
        var refused = (await api.PostAsync(Services, $$"""{"metadata":{"name":"a"},"spec":{"type":"NodePort","ports":[{{ports}}]} }""")).Demand(422);
        Assert.Contains("Too many", refused.Message, StringComparison.Ordinal);
        (await api.PostAsync(Services, $$"""{"metadata":{"name":"a"},"spec":{"type":"ClusterIP","ports":[{{ports}}]} }""")).Demand(201);
    }

    [Fact]
    public async Task An_address_does_not_change_once_set()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Services, Service("a"))).Demand(201);
        (await api.PutAsync(Services + "/a", Service("a", "\"clusterIP\":\"10.96.9.9\","))).Demand(422);
    }
}
