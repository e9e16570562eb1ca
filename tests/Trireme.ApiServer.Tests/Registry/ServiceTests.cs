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

    [Fact]
    public async Task An_address_does_not_change_once_set()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Services, Service("a"))).Demand(201);
        (await api.PutAsync(Services + "/a", Service("a", "\"clusterIP\":\"10.96.9.9\","))).Demand(422);
    }
}
