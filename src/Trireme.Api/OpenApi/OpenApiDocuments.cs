using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Trireme.Api.Discovery;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.OpenApi;

/// <summary>
/// The OpenAPI documents of the resources that are served: version 3 by group version (<c>/openapi/v3</c>), version 2 as one (<c>/openapi/v2</c>).
/// <c>kubectl explain</c>, client-side validation and helm read them.
/// </summary>
/// <remarks>Making one costs milliseconds: keep it as long as the resources are the same. Documents of built-in group versions are made once per process.</remarks>
public static class OpenApiDocuments
{
    private const string Root = "/openapi/v3";

    private static readonly ConcurrentDictionary<GroupVersion, byte[]> BuiltIn = new();

    /// <summary>The document at a path below <c>/openapi</c>; null when nothing is there.</summary>
    /// <param name="path"><c>/openapi/v2</c>, <c>/openapi/v3</c>, <c>/openapi/v3/api/v1</c>, <c>/openapi/v3/apis/GROUP/VERSION</c>.</param>
    /// <param name="resources">Everything that is served.</param>
    public static byte[]? Find(string path, IReadOnlyList<ResourceDefinition> resources) => path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
    {
        ["openapi", "v2"] => Version2(resources),
        ["openapi", "v3"] => Index(resources),
        ["openapi", "v3", "api", var version] => Version3(new GroupVersion("", version), resources),
        ["openapi", "v3", "apis", var group, var version] => Version3(new GroupVersion(group, version), resources),
        _ => null,
    };

    /// <summary><c>/openapi/v3</c>: where the documents are, each with a hash of its content, so that clients keep what has not changed.</summary>
    public static byte[] Index(IReadOnlyList<ResourceDefinition> resources)
    {
        var paths = new ApiObject();
        foreach (var version in resources.Select(r => r.GroupVersion).Distinct()
            .OrderBy(v => v.Group, DiscoveryDocuments.GroupComparer).ThenBy(v => v.Version, DiscoveryDocuments.VersionComparer))
        {
            var hash = Convert.ToHexString(SHA256.HashData(Version3(version, resources)!));
            var path = version.Group.Length == 0 ? $"api/{version.Version}" : $"apis/{version}";
            paths.Set(path, new ApiObject { { "serverRelativeURL", $"{Root}/{path}?hash={hash}" } });
        }

        return new ApiObject { { "paths", paths } }.ToUtf8();
    }

    /// <summary>The version 3 document of one group version; null when nothing of it is served.</summary>
    public static byte[]? Version3(GroupVersion version, IReadOnlyList<ResourceDefinition> resources)
    {
        var own = resources.Where(r => r.GroupVersion == version).OrderBy(r => r.Plural, StringComparer.Ordinal).ToList();
        return own.Count == 0 ? null
            : own.TrueForAll(r => !r.IsCustom) ? BuiltIn.GetOrAdd(version, _ => Write(own, isVersion3: true))
            : Write(own, isVersion3: true);
    }

    /// <summary>The version 2 document of everything.</summary>
    public static byte[] Version2(IReadOnlyList<ResourceDefinition> resources) =>
        Write([.. resources.OrderBy(r => r.ApiPath, StringComparer.Ordinal).ThenBy(r => r.Plural, StringComparer.Ordinal)], isVersion3: false);

    private static byte[] Write(List<ResourceDefinition> resources, bool isVersion3)
    {
        var output = new ArrayBufferWriter<byte>(64 * 1024);
        using (var writer = new Utf8JsonWriter(output, DocumentWriter.Options))
        {
            var schemas = new OpenApiSchemaWriter(writer, isVersion3);
            writer.WriteStartObject();
            writer.WriteString(isVersion3 ? "openapi" : "swagger", isVersion3 ? "3.0.0" : "2.0");
            writer.WriteStartObject("info");
            writer.WriteString("title", "Kubernetes");
            writer.WriteString("version", "v1.36.3");
            writer.WriteEndObject();
            writer.WriteStartObject("paths");
            var paths = new OpenApiPathWriter(writer, schemas, isVersion3);
            foreach (var resource in resources)
            {
                paths.Write(resource);
            }

            writer.WriteEndObject();
            if (isVersion3)
            {
                writer.WriteStartObject("components");
                writer.WriteStartObject("schemas");
            }
            else
            {
                writer.WriteStartObject("definitions");
            }

            WriteTypes(schemas, writer, resources);
            writer.WriteEndObject();
            if (isVersion3)
            {
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }

    private static void WriteTypes(OpenApiSchemaWriter schemas, Utf8JsonWriter writer, List<ResourceDefinition> resources)
    {
        foreach (var resource in resources)
        {
            schemas.WriteKind(resource);
            foreach (var kind in resource.Subresources.Values.Select(s => s.Kind).OfType<GroupVersionKind>())
            {
                if (SchemaCatalog.TypePrefix(kind.Group) is { } prefix && SchemaCatalog.Find($"{prefix}.{kind.Version}.{kind.Kind}") is { TypeName: { } type } node)
                {
                    schemas.AddKind(OpenApiNames.OfType(type), kind);
                    schemas.Require(node);
                }
            }
        }

        foreach (var type in (ReadOnlySpan<string>)["Status", "DeleteOptions"])
        {
            var node = SchemaCatalog.Find("meta.v1." + type)!;
            schemas.AddKind(OpenApiNames.Meta + type, new GroupVersionKind("", "v1", type));
            schemas.Require(node);
        }

        writer.WriteStartObject(OpenApiNames.Meta + "Patch");
        writer.WriteString("description", "Patch is a change to an object, in the format that the content type names.");
        writer.WriteString("type", "object");
        writer.WriteEndObject();
        schemas.WritePending();
    }
}
