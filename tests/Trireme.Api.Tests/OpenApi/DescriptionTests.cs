using System.Text.Json;
using Trireme.Api.OpenApi;
using Trireme.Api.Schema;

namespace Trireme.Api.Tests.OpenApi;

/// <summary>What <c>kubectl explain</c> shows.</summary>
public sealed class DescriptionTests
{
    [Fact]
    public void Types_and_fields_are_described_also_where_a_field_refers_to_a_type()
    {
        var schemas = Schemas("/openapi/v3/apis/apps/v1");
        var deployment = schemas.GetProperty("io.k8s.api.apps.v1.DeploymentSpec");
        Assert.NotEmpty(deployment.GetProperty("description").GetString()!);
        Assert.NotEmpty(deployment.GetProperty("properties").GetProperty("replicas").GetProperty("description").GetString()!);
        var template = deployment.GetProperty("properties").GetProperty("template");
        Assert.NotEmpty(template.GetProperty("description").GetString()!);
        Assert.EndsWith("PodTemplateSpec", template.GetProperty("allOf")[0].GetProperty("$ref").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void No_field_has_a_schema_that_says_nothing()
    {
        foreach (var schema in Schemas("/openapi/v3/api/v1").EnumerateObject().Where(s => s.Value.TryGetProperty("properties", out _)))
        {
            foreach (var field in schema.Value.GetProperty("properties").EnumerateObject())
            {
                Assert.True(field.Value.EnumerateObject().Any(), $"{schema.Name}.{field.Name}");
            }
        }
    }

    [Fact]
    public void Every_description_is_of_a_field_that_exists()
    {
        using var stream = typeof(ApiFacts).Assembly.GetManifestResourceStream("Trireme.Api.Facts.descriptions.txt")!;
        using var reader = new StreamReader(stream);
        var type = "*";
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] is '#' or '*')
            {
                continue;
            }

            var name = line[..line.IndexOf(": ", StringComparison.Ordinal)].Trim();
            if (line[0] != ' ')
            {
                type = name;
                Assert.True(SchemaCatalog.Find(type) is not null, type);
            }
            else if (type != "*")
            {
                Assert.True(SchemaCatalog.Find(type)!.TryGetField(name, out _), $"{type}.{name}");
            }
        }
    }

    private static JsonElement Schemas(string path) =>
        JsonDocument.Parse(OpenApiDocuments.Find(path, BuiltInResources.All)!).RootElement.GetProperty("components").GetProperty("schemas");
}
