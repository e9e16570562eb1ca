namespace Trireme.ApiServer.Tests.Registry;

public sealed class PodSubresourceTests
{
    private const string Pods = "/api/v1/namespaces/default/pods";

    [Theory]
    [InlineData("""{"requests":{"cpu":"200m"}}""", 200)]
    [InlineData("""{"requests":{"cpu":"-1"}}""", 422)]
    [InlineData("""{"requests":{"cpu":"2"},"limits":{"cpu":"1"}}""", 422)]
    [InlineData("""{"requests":{"cpu":"100m","ephemeral-storage":"1Gi"}}""", 422)]
    [InlineData("{}", 422)]
    public async Task A_resize_is_checked_as_a_pod_is(string resources, int code)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Pods, """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"100m"}}}]}}""")).Demand(201);
        (await api.SendAsync("PATCH", Pods + "/p/resize", $$"""[{"op":"replace","path":"/spec/containers/0/resources","value":{{resources}}}]""", "application/json-patch+json")).Demand(code);
    }

    [Fact]
    public async Task An_ephemeral_container_comes_to_stay()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Pods, """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}""")).Demand(201);
        (await api.MergeAsync(Pods + "/p/ephemeralcontainers", """{"spec":{"ephemeralContainers":[{"name":"c","image":"i"}]}}""")).Demand(422);
        (await api.MergeAsync(Pods + "/p/ephemeralcontainers", """{"spec":{"ephemeralContainers":[{"name":"debug","image":"i"}]}}""")).Demand(200);
        var removed = (await api.MergeAsync(Pods + "/p/ephemeralcontainers", """{"spec":{"ephemeralContainers":null}}""")).Demand(422);
        Assert.Contains("existing ephemeral containers \"debug\" may not be removed", removed.Message, StringComparison.Ordinal);
        (await api.MergeAsync(Pods + "/p/ephemeralcontainers", """{"spec":{"ephemeralContainers":[{"name":"debug","image":"other"}]}}""")).Demand(422);
    }
}
