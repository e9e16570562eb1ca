using System.Text.Json;
using Trireme.Api.Schema;

namespace Trireme.Api.OpenApi;

/// <summary>
/// Writes the paths of resources with their operations. Clients look here for what a server can do: kubectl asks whether PATCH of a kind takes
/// <c>fieldValidation</c> and <c>dryRun</c>.
/// </summary>
internal sealed class OpenApiPathWriter(Utf8JsonWriter writer, OpenApiSchemaWriter schemas, bool isVersion3)
{
    private static readonly string[] BuiltInPatchTypes =
    [
        "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml",
    ];

    /// <summary>Without strategic merge patch: from here kubectl apply knows what a kind takes.</summary>
    private static readonly string[] CustomPatchTypes = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

    /// <summary>Writes every path of a resource.</summary>
    public void Write(ResourceDefinition resource)
    {
        var kind = OpenApiNames.OfKind(resource);
        var scope = resource.Namespaced ? resource.ApiPath + "/namespaces/{namespace}" : resource.ApiPath;
        var collection = $"{scope}/{resource.Plural}";
        var list = resource.Supports("list") ? OpenApiNames.OfList(resource) : kind;
        BeginPath(collection, resource.Namespaced, hasName: false);
        Operation(resource, "get", "list", list, resource.GroupVersionKind, kind, null, resource.Supports("list"));
        Operation(resource, "post", "create", kind, resource.GroupVersionKind, kind, null, resource.Supports("create"));
        Operation(resource, "delete", "deletecollection", OpenApiNames.Meta + "Status", resource.GroupVersionKind, kind, null, resource.Supports("deletecollection"));
        writer.WriteEndObject();

        if (resource.Verbs.Any(v => v is "get" or "update" or "patch" or "delete"))
        {
            BeginPath(collection + "/{name}", resource.Namespaced, hasName: true);
            WriteItemOperations(resource, resource.Verbs, kind, resource.GroupVersionKind, null);
            writer.WriteEndObject();
        }

        foreach (var subresource in resource.Subresources.Values.OrderBy(s => s.Name, StringComparer.Ordinal))
        {
            BeginPath($"{collection}/{{name}}/{subresource.Name}", resource.Namespaced, hasName: true);
            WriteItemOperations(
                resource, subresource.Verbs, OpenApiNames.OfSubresource(resource, subresource), subresource.Kind ?? resource.GroupVersionKind, subresource.Name);
            writer.WriteEndObject();
        }

        if (resource.Namespaced && resource.Supports("list"))
        {
            BeginPath($"{resource.ApiPath}/{resource.Plural}", isNamespaced: false, hasName: false);
            Operation(resource, "get", "list", list, resource.GroupVersionKind, kind, "ForAllNamespaces", isServed: true);
            writer.WriteEndObject();
        }
    }

    private void WriteItemOperations(ResourceDefinition resource, IReadOnlyList<string> verbs, string type, GroupVersionKind kind, string? subresource)
    {
        Operation(resource, "get", "get", type, kind, type, subresource, verbs.Contains("get"));
        Operation(resource, "post", "create", type, kind, type, subresource, verbs.Contains("create"));
        Operation(resource, "put", "update", type, kind, type, subresource, verbs.Contains("update"));
        Operation(resource, "patch", "patch", type, kind, type, subresource, verbs.Contains("patch"));
        Operation(resource, "delete", "delete", subresource is null ? OpenApiNames.Meta + "Status" : type, kind, type, subresource, verbs.Contains("delete"));
    }

    private void BeginPath(string path, bool isNamespaced, bool hasName)
    {
        writer.WriteStartObject(path);
        writer.WriteStartArray("parameters");
        if (hasName)
        {
            Parameter("name", "path", "string", "name of the object");
        }

        if (isNamespaced)
        {
            Parameter("namespace", "path", "string", "namespace of the object");
        }

        writer.WriteEndArray();
    }

    private void Operation(
        ResourceDefinition resource, string method, string verb, string answer, GroupVersionKind kind, string body, string? suffix, bool isServed)
    {
        if (!isServed)
        {
            return;
        }

        writer.WriteStartObject(method);
        writer.WriteString("description", $"{verb} {resource.Kind}{(suffix is null ? "" : " " + suffix)}");
        writer.WriteString("operationId", $"{verb}{Pascal(resource.Group)}{Pascal(resource.Version)}{(resource.Namespaced && suffix != "ForAllNamespaces" ? "Namespaced" : "")}{resource.Kind}{Pascal(suffix ?? "")}");
        writer.WriteStartArray("tags");
        writer.WriteStringValue(resource.Group.Length == 0 ? "core_" + resource.Version : $"{resource.Group.Split('.')[0]}_{resource.Version}");
        writer.WriteEndArray();
        writer.WriteStartArray("parameters");
        if (!isVersion3 && method is "post" or "put" or "patch")
        {
            writer.WriteStartObject();
            writer.WriteString("name", "body");
            writer.WriteString("in", "body");
            writer.WriteBoolean("required", true);
            writer.WritePropertyName("schema");
            WriteBodySchema(method, body);
            writer.WriteEndObject();
        }

        WriteQueryParameters(method, verb);
        writer.WriteEndArray();
        if (!isVersion3 && method == "patch")
        {
            writer.WriteStartArray("consumes");
            foreach (var type in PatchTypesOf(resource))
            {
                writer.WriteStringValue(type);
            }

            writer.WriteEndArray();
        }

        if (isVersion3 && method is "post" or "put" or "patch")
        {
            writer.WriteStartObject("requestBody");
            writer.WriteBoolean("required", true);
            WriteContent(method == "patch" ? PatchTypesOf(resource) : ["*/*"], () => WriteBodySchema(method, body));
            writer.WriteEndObject();
        }

        WriteResponses(method, answer);
        writer.WriteString("x-kubernetes-action", verb switch { "create" => "post", "update" => "put", _ => verb });
        writer.WriteStartObject("x-kubernetes-group-version-kind");
        writer.WriteString("group", kind.Group);
        writer.WriteString("kind", kind.Kind);
        writer.WriteString("version", kind.Version);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static string[] PatchTypesOf(ResourceDefinition resource) => resource.IsCustom ? CustomPatchTypes : BuiltInPatchTypes;

    private void WriteQueryParameters(string method, string verb)
    {
        if (method is "post" or "put" or "patch" or "delete")
        {
            Parameter("dryRun", "query", "string", "All: run every stage of the request, store nothing");
        }

        if (method is "post" or "put" or "patch")
        {
            Parameter("fieldManager", "query", "string", "name of the actor that makes the change");
            Parameter("fieldValidation", "query", "string", "what happens to unknown and duplicate fields: Ignore, Warn or Strict");
        }

        if (method == "patch")
        {
            Parameter("force", "query", "boolean", "whether apply takes fields over from other managers");
        }

        if (method == "delete")
        {
            Parameter("gracePeriodSeconds", "query", "integer", "seconds until the object is removed");
            Parameter("propagationPolicy", "query", "string", "what happens to dependents: Orphan, Background or Foreground");
        }

        if (verb is "list" or "deletecollection")
        {
            Parameter("labelSelector", "query", "string", "restricts by labels");
            Parameter("fieldSelector", "query", "string", "restricts by fields");
            Parameter("limit", "query", "integer", "most items in one answer");
            Parameter("continue", "query", "string", "token of the answer before");
            Parameter("resourceVersion", "query", "string", "how fresh the answer must be");
            Parameter("resourceVersionMatch", "query", "string", "how resourceVersion is meant: NotOlderThan or Exact");
            Parameter("timeoutSeconds", "query", "integer", "most seconds to answer");
        }

        if (verb == "list")
        {
            Parameter("watch", "query", "boolean", "whether to stream changes");
            Parameter("allowWatchBookmarks", "query", "boolean", "whether the stream may hold bookmarks");
            Parameter("sendInitialEvents", "query", "boolean", "whether the stream begins with what is there");
        }
    }

    private void WriteBodySchema(string method, string body)
    {
        if (method == "patch")
        {
            schemas.WriteReference(OpenApiNames.Meta + "Patch");
        }
        else
        {
            schemas.WriteReference(body);
        }
    }

    private void WriteResponses(string method, string answer)
    {
        writer.WriteStartObject("responses");
        foreach (var code in method switch
        {
            "post" => (string[])["200", "201", "202"],
            "put" or "patch" => ["200", "201"],
            "delete" => ["200", "202"],
            _ => ["200"],
        })
        {
            writer.WriteStartObject(code);
            writer.WriteString("description", code switch { "200" => "OK", "201" => "Created", _ => "Accepted" });
            if (isVersion3)
            {
                WriteContent(["application/json"], () => schemas.WriteReference(answer));
            }
            else
            {
                writer.WritePropertyName("schema");
                schemas.WriteReference(answer);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private void WriteContent(string[] mediaTypes, Action writeSchema)
    {
        writer.WriteStartObject("content");
        foreach (var type in mediaTypes)
        {
            writer.WriteStartObject(type);
            writer.WritePropertyName("schema");
            writeSchema();
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private void Parameter(string name, string place, string type, string description)
    {
        writer.WriteStartObject();
        writer.WriteString("name", name);
        writer.WriteString("in", place);
        writer.WriteString("description", description);
        if (place == "path")
        {
            writer.WriteBoolean("required", true);
        }

        if (isVersion3)
        {
            writer.WriteStartObject("schema");
            writer.WriteString("type", type);
            writer.WriteBoolean("uniqueItems", true);
            writer.WriteEndObject();
        }
        else
        {
            writer.WriteString("type", type);
            writer.WriteBoolean("uniqueItems", true);
        }

        writer.WriteEndObject();
    }

    private static string Pascal(string text) =>
        string.Concat(text.Split('.', '-').Where(p => p.Length > 0).Select(p => char.ToUpperInvariant(p[0]) + p[1..]));
}
