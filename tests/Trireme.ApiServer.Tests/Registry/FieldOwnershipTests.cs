using System.Text.Json;

namespace Trireme.ApiServer.Tests.Registry;

/// <summary>Every write says in managedFields who set what, so that an apply knows whose fields it would take.</summary>
public sealed class FieldOwnershipTests
{
    private const string Maps = "/api/v1/namespaces/default/configmaps";

    [Fact]
    public async Task A_create_owns_what_it_set_and_an_update_what_it_changed()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync($"{Maps}?fieldManager=maker", """{"metadata":{"name":"m","labels":{"a":"b"}},"data":{"x":"1","y":"2"}}""")).Demand();
        (await api.SendAsync("PATCH", $"{Maps}/m?fieldManager=editor", """{"data":{"y":"3"}}""", "application/merge-patch+json")).Demand();

        var entries = Entries(await api.GetAsync($"{Maps}/m"));
        Assert.Equal("""{"f:data":{"f:x":{}},"f:metadata":{"f:labels":{"f:a":{}}}}""", Sorted(entries["maker/Update"]));
        Assert.Equal("""{"f:data":{"f:y":{}}}""", Sorted(entries["editor/Update"]));
    }

    [Fact]
    public async Task An_apply_conflicts_with_whoever_created_the_object()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync($"{Maps}?fieldManager=maker", """{"metadata":{"name":"m"},"data":{"x":"1"}}""")).Demand();
        var conflict = (await ApplyAsync(api, "other", "x: \"2\"")).Demand(409);
        Assert.Contains("conflict with \"maker\" using v1", conflict.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kubectl_moves_from_client_side_to_server_side_apply_without_a_conflict()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Annotation = """{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"},\"data\":{\"x\":\"1\"}}""";
        (await api.PostAsync(
            $"{Maps}?fieldManager=kubectl-client-side-apply",
            $$"""{"metadata":{"name":"m","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{{Annotation}}"} },"data":{"x":"1","z":"9"} }""")).Demand();

        (await ApplyAsync(api, "someone", "x: \"2\"")).Demand(409);
        (await ApplyAsync(api, "kubectl", "z: \"2\"")).Demand(409);
        var applied = (await ApplyAsync(api, "kubectl", "x: \"2\"")).Demand();
        Assert.Equal("2", applied.Text("data.x"));
        Assert.Contains("\\\"x\\\":\\\"2\\\"", applied["metadata"].GetProperty("annotations").GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_empty_entry_makes_the_server_forget_the_owners()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Maps, """{"metadata":{"name":"m"},"data":{"x":"1"}}""")).Demand();
        var forgotten = (await api.MergeAsync($"{Maps}/m", """{"metadata":{"managedFields":[{}]}}""")).Demand();
        Assert.False(forgotten.Has("metadata.managedFields"));
    }

    private static Task<Answer> ApplyAsync(RegistryHarness api, string manager, string data) => api.SendAsync(
        "PATCH", $"{Maps}/m?fieldManager={manager}", $"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  {data}\n", "application/apply-patch+yaml");

    private static Dictionary<string, JsonElement> Entries(Answer answer) => answer["metadata.managedFields"].EnumerateArray().ToDictionary(
        e => $"{e.GetProperty("manager").GetString()}/{e.GetProperty("operation").GetString()}", e => e.GetProperty("fieldsV1"));

    internal static string Sorted(JsonElement element) => element.ValueKind == JsonValueKind.Object
        ? $"{{{string.Join(',', element.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => $"\"{p.Name}\":{Sorted(p.Value)}"))}}}"
        : element.GetRawText();
}
