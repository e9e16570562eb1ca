namespace Trireme.ApiServer.Tests.Registry;

/// <summary>Options of requests that are wrong are refused in Kubernetes' words, with a cause for the field.</summary>
public sealed class OptionTests
{
    private const string Maps = "/api/v1/namespaces/default/configmaps";

    [Theory]
    [InlineData("POST", "?fieldValidation=Bad", "CreateOptions", "fieldValidation")]
    [InlineData("POST", "?dryRun=Some", "CreateOptions", "dryRun")]
    [InlineData("GET", "?resourceVersionMatch=Exact", "ListOptions", "resourceVersionMatch")]
    [InlineData("GET", "?sendInitialEvents=true", "ListOptions", "sendInitialEvents")]
    [InlineData("GET", "?watch=1&sendInitialEvents=true", "ListOptions", "resourceVersionMatch")]
    [InlineData("DELETE", "/m?propagationPolicy=Bad", "DeleteOptions", "propagationPolicy")]
    [InlineData("PATCH", "/m?force=true", "PatchOptions", "force")]
    public async Task A_wrong_option_is_an_invalid_field(string method, string query, string kind, string field)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var answer = (await api.SendAsync(method, Maps + query, method is "GET" or "DELETE" ? "" : "{}", method == "PATCH" ? "application/merge-patch+json" : null)).Demand(422);
        Assert.StartsWith($"{kind}.meta.k8s.io \"\" is invalid: {field}: ", answer.Message, StringComparison.Ordinal);
        Assert.Equal(kind, answer.Text("details.kind"));
        Assert.Equal(field, answer.Text("details.causes.0.field"));
    }

    [Fact]
    public async Task A_field_manager_may_not_be_long()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var answer = (await api.PostAsync($"{Maps}?fieldManager={new string('x', 129)}", """{"metadata":{"name":"m"}}""")).Demand(422);
        Assert.Contains("fieldManager: Too long: may not be more than 128 bytes", answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_patch_that_makes_an_object_of_wrong_types_is_invalid()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Maps, """{"metadata":{"name":"m"}}""")).Demand();
        var answer = (await api.MergeAsync($"{Maps}/m", """{"immutable":"x"}""")).Demand(422);
        Assert.Equal("patch", answer.Text("details.causes.0.field"));
        answer = (await api.MergeAsync($"{Maps}/m?fieldValidation=Strict", """{"foo":1}""")).Demand(422);
        Assert.Contains("strict decoding error: unknown field \\\"foo\\\"", answer.Body.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_old_watch_path_of_one_object_selects_that_object()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        foreach (var name in new[] { "a", "b" })
        {
            (await api.PostAsync(Maps, $$"""{"metadata":{"name":"{{name}}"} }""")).Demand();
        }

        var answer = await api.GetAsync("/api/v1/watch/namespaces/default/configmaps/b?timeoutSeconds=1");
        Assert.Equal("b", answer.Text("object.metadata.name"));
    }

    [Fact]
    public async Task A_role_binding_may_leave_out_the_groups_that_go_without_saying()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var made = (await api.PostAsync(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            """{"metadata":{"name":"b"},"roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"u"}]}""")).Demand();
        Assert.Equal("rbac.authorization.k8s.io", made.Text("roleRef.apiGroup"));
        Assert.Equal("rbac.authorization.k8s.io", made.Text("subjects.0.apiGroup"));
    }

    [Theory]
    [InlineData("{bad", "({bad)")]
    [InlineData("", "(<empty>)")]
    [InlineData("xyz", "(78797a)")]
    public async Task A_body_that_is_no_object_is_shown_by_its_start(string body, string start)
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var answer = (await api.PostAsync(Maps, body)).Demand(400);
        Assert.StartsWith("the object provided is unrecognized (must be of type ConfigMap): ", answer.Message, StringComparison.Ordinal);
        Assert.EndsWith(start, answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_applied_says_what_it_is()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        var answer = await api.SendAsync("PATCH", $"{Maps}/m?fieldManager=x", "kind: ConfigMap\nmetadata: {name: m}\n", "application/apply-patch+yaml");
        Assert.Equal("invalid object type: /, Kind=ConfigMap", answer.Demand(400).Message);
    }
}
