using Trireme.Api.Documents;
using Trireme.Api.OpenApi;
using Trireme.Api.Schema;

namespace Trireme.Api.Tests.OpenApi;

public sealed class OpenApiDocumentsTests
{
    [Fact]
    public void The_index_names_every_group_version_with_a_hash()
    {
        var index = ApiNode.Parse(OpenApiDocuments.Find("/openapi/v3", BuiltInResources.All)!);
        foreach (var resource in BuiltInResources.All)
        {
            var path = resource.ApiPath[1..];
            Assert.StartsWith($"/openapi/v3/{path}?hash=", index["paths"]![path]!["serverRelativeURL"]!.AsString(), StringComparison.Ordinal);
            Assert.NotNull(OpenApiDocuments.Find("/openapi/v3/" + path, BuiltInResources.All));
        }

        Assert.Null(OpenApiDocuments.Find("/openapi/v3/apis/nope/v1", BuiltInResources.All));
    }

    [Fact]
    public void Patch_of_every_kind_takes_field_validation_and_dry_run()
    {
        var document = Document("apps", "v1");
        var patch = document.Find("paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", "patch")!;
        var names = patch["parameters"]!.AsArray()!.Objects.Select(p => p.GetString("name")).ToList();
        Assert.Contains("fieldValidation", names);
        Assert.Contains("dryRun", names);
        Assert.Equal("""{"group":"apps","kind":"Deployment","version":"v1"}""", patch["x-kubernetes-group-version-kind"]!.ToString());
    }

    [Fact]
    public void Schemas_carry_the_extensions_that_clients_merge_by()
    {
        var schemas = Document("", "v1").Find("components", "schemas")!;
        var containers = schemas.Find("io.k8s.api.core.v1.PodSpec", "properties", "containers")!;
        Assert.Equal("map", containers["x-kubernetes-list-type"]!.AsString());
        Assert.Equal("name", containers["x-kubernetes-patch-merge-key"]!.AsString());
        Assert.Equal("merge", containers["x-kubernetes-patch-strategy"]!.AsString());
        Assert.Equal("""["name"]""", containers["x-kubernetes-list-map-keys"]!.ToString());
        Assert.Equal("""[{"group":"","kind":"Pod","version":"v1"}]""", schemas.Find("io.k8s.api.core.v1.Pod", "x-kubernetes-group-version-kind")!.ToString());
        Assert.Equal("atomic", schemas.Find("io.k8s.api.core.v1.ConfigMapKeySelector", "x-kubernetes-map-type")!.AsString());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Every_reference_leads_to_a_schema(bool isVersion3)
    {
        if (isVersion3)
        {
            foreach (var version in BuiltInResources.All.Select(r => r.GroupVersion).Distinct())
            {
                CheckReferences(Document(version.Group, version.Version), "components", "schemas");
            }
        }
        else
        {
            CheckReferences((ApiObject)ApiNode.Parse(OpenApiDocuments.Version2(BuiltInResources.All)), "definitions");
        }
    }

    [Fact]
    public void Custom_resources_appear_with_their_schema()
    {
        var widget = new ResourceDefinition(() => ResourceSchema.FromOpenApi((ApiObject)ApiNode.Parse(
            """{"type":"object","properties":{"spec":{"type":"object","description":"What is wanted","properties":{"size":{"type":"integer","minimum":1,"default":2}}}}}""")))
        {
            Group = "example.com", Version = "v1", Kind = "Widget", Plural = "widgets", Singular = "widget", Namespaced = true, IsCustom = true,
            Verbs = ["create", "delete", "get", "list", "patch", "update", "watch"],
        };
        var document = ApiNode.Parse(OpenApiDocuments.Version3(widget.GroupVersion, [widget])!);
        var spec = document.Find("components", "schemas", "com.example.v1.Widget", "properties", "spec")!;
        Assert.Equal("What is wanted", spec["description"]!.AsString());
        Assert.Equal("""{"type":"integer","default":2,"minimum":1}""", spec.Find("properties", "size")!.ToString());
        Assert.NotNull(document.Find("components", "schemas", "com.example.v1.WidgetList"));

        // From here kubectl apply knows that a custom resource takes no strategic merge patch.
        var patch = document.Find("paths", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", "patch", "requestBody", "content")!.AsObject()!;
        Assert.True(patch.ContainsKey("application/merge-patch+json"));
        Assert.False(patch.ContainsKey("application/strategic-merge-patch+json"));
        CheckReferences((ApiObject)document, "components", "schemas");
    }

    private static ApiObject Document(string group, string version) =>
        (ApiObject)ApiNode.Parse(OpenApiDocuments.Version3(new GroupVersion(group, version), BuiltInResources.All)!);

    private static void CheckReferences(ApiObject document, params string[] place)
    {
        var schemas = document.Find(place)!.AsObject()!;
        var pending = new Stack<ApiNode>([document]);
        var found = 0;
        while (pending.TryPop(out var node))
        {
            if (node is ApiObject o)
            {
                if (o.GetString("$ref") is { } reference)
                {
                    found++;
                    Assert.True(schemas.ContainsKey(reference[(reference.LastIndexOf('/') + 1)..]), reference);
                }

                foreach (var (_, value) in o)
                {
                    pending.Push(value);
                }
            }
            else if (node is ApiArray a)
            {
                foreach (var item in a)
                {
                    pending.Push(item);
                }
            }
        }

        Assert.True(found > 0);
    }
}
