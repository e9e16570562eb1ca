using System.Text;

namespace Trireme.ApiServer.Tests.Registry;

/// <summary>What no reader could read again, or what would fill the memory, is refused when it comes in.</summary>
public sealed class IntakeTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Deployments = "/apis/apps/v1/namespaces/default/deployments";
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    private const string Widgets = "/apis/example.com/v1beta1/namespaces/default/widgets";

    [Theory]
    [InlineData("8080.0")]
    [InlineData("1e3")]
    [InlineData("3000000000")]
    public async Task A_port_is_written_as_every_reader_expects(string port)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var refused = (await api.PostAsync(
            "/api/v1/namespaces/default/services", $$$"""{"metadata":{"name":"a"},"spec":{"ports":[{"port":80,"targetPort":{{{port}}}}]}}""")).Demand(400);
        Assert.Contains($"cannot unmarshal number {port} into Go struct field ServicePort.spec.ports.targetPort of type intstr.IntOrString", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("3000000000", 422)]
    [InlineData("\"5\"", 422)]
    [InlineData("1.5", 422)]
    [InlineData("-1", 422)]
    [InlineData("2147483647", 200)]
    public async Task Replicas_are_a_number_that_fits(string replicas, int code)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Deployments, WriteTests.Deployment("d", 2))).Demand(201);
        (await api.MergeAsync(Deployments + "/d/scale", $$$"""{"spec":{"replicas":{{{replicas}}}}}""")).Demand(code);
        Assert.Equal(code == 200 ? replicas : "2", (await api.GetAsync(Deployments + "/d")).Text("spec.replicas"));
    }

    [Theory]
    [InlineData("application/merge-patch+json", "{", 400)]
    [InlineData("application/merge-patch+json", "[]", 400)]
    [InlineData("application/json-patch+json", """[{"op":"replace","path":"","value":1}]""", 400)]
    [InlineData("application/json-patch+json", """[{"op":"remove","path":"/none"}]""", 422)]
    public async Task A_wrong_patch_of_a_scale_is_the_clients_mistake(string type, string patch, int code)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Deployments, WriteTests.Deployment("d", 2))).Demand(201);
        (await api.SendAsync("PATCH", Deployments + "/d/scale", patch, type)).Demand(code);
    }

    [Fact]
    public async Task A_patch_that_copies_everything_into_itself_is_too_large()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand(201);
        var copies = string.Join(',', Enumerable.Range(0, 30).Select(i => $$"""{"op":"copy","from":"","path":"/c{{i}}"}"""));
        (await api.SendAsync("PATCH", ConfigMaps + "/a", $"[{copies}]", "application/json-patch+json")).Demand(413);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(300, false)]
    [InlineData(600, false)]
    public async Task An_object_nests_no_deeper_than_every_reader_can_follow(int depth, bool good)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Definitions, CustomResources.CustomResourceTests.Definition)).Demand(201);
        var made = await api.PostAsync(Widgets, $$"""{"metadata":{"name":"a"},"spec":{{Nested(depth)}} }""");
        made.Demand(good ? 201 : 400);
        (await api.GetAsync(Widgets)).Demand(200);

        // Neither in two steps.
        if (good)
        {
            var path = "/spec" + string.Concat(Enumerable.Repeat("/a", depth));
            (await api.SendAsync("PATCH", Widgets + "/a", $$"""[{"op":"add","path":"{{path}}","value":{{Nested(100)}}}]""", "application/json-patch+json")).Demand(400);
            (await api.MergeAsync(Widgets + "/a", """{"metadata":{"labels":{"still":"writable"}}}""")).Demand(200);
        }
    }

    private static string Nested(int depth)
    {
        var text = new StringBuilder();
        text.Insert(0, "{\"a\":", depth).Append("{}").Append('}', depth);
        return text.ToString();
    }
}
