using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Tables;

namespace Trireme.ApiServer.CustomResources;

/// <summary>Reads from a CustomResourceDefinition what it defines.</summary>
internal static class CustomResourceDefinitions
{
    public const string Group = "apiextensions.k8s.io";
    public const string Plural = "customresourcedefinitions";

    /// <summary>On every definition: its objects are deleted before it goes.</summary>
    public const string CleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io";

    private static readonly string[] s_verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    private static readonly string[] s_partVerbs = ["get", "patch", "update"];

    /// <summary>Whether the definition's resources are to be served.</summary>
    public static bool IsEstablished(ApiDocument definition) =>
        definition.Status?.GetArray("conditions")?.Objects.Any(c => c.GetString("type") == "Established" && c.GetString("status") == "True") == true;

    /// <summary>The resources that a definition makes, one for each served version.</summary>
    public static IEnumerable<ResourceDefinition> Resources(ApiDocument definition)
    {
        var spec = definition.Spec ?? new ApiObject();
        var group = spec.GetString("group") ?? "";
        var names = spec.GetObject("names") ?? new ApiObject();
        var kind = names.GetString("kind") ?? "";
        var stored = StorageVersion(spec);
        foreach (var version in spec.GetArray("versions")?.Objects ?? [])
        {
            if (version.GetBoolean("served") != true)
            {
                continue;
            }

            var schema = version.GetObject("schema")?.GetObject("openAPIV3Schema");
            yield return new ResourceDefinition(() => schema is null ? ResourceSchema.Untyped : ResourceSchema.FromOpenApi(schema))
            {
                Group = group,
                Version = version.GetString("name") ?? "",
                Kind = kind,
                ListKind = names.GetString("listKind") is { Length: > 0 } list ? list : kind + "List",
                Plural = names.GetString("plural") ?? "",
                Singular = names.GetString("singular") is { Length: > 0 } singular ? singular : kind.ToLowerInvariant(),
                Namespaced = spec.GetString("scope") == "Namespaced",
                ShortNames = [.. names.GetArray("shortNames")?.Strings ?? []],
                Categories = [.. names.GetArray("categories")?.Strings ?? []],
                Verbs = s_verbs,
                Subresources = Subresources(version),
                FieldSelectors = [.. version.GetArray("selectableFields")?.Objects.Select(f => (f.GetString("jsonPath") ?? "").TrimStart('.')) ?? []],
                Columns = [.. version.GetArray("additionalPrinterColumns")?.Objects.Select(ReadColumn) ?? []],
                TracksGeneration = true,
                IsCustom = true,
                StorageKind = new GroupVersionKind(group, stored, kind),
                Scale = ReadScale(version),
            };
        }
    }

    /// <summary>The one version in which objects are stored.</summary>
    public static string StorageVersion(ApiObject spec) =>
        spec.GetArray("versions")?.Objects.FirstOrDefault(v => v.GetBoolean("storage") == true)?.GetString("name") ?? "";

    private static Dictionary<string, SubresourceDefinition> Subresources(ApiObject version)
    {
        var subresources = new Dictionary<string, SubresourceDefinition>(StringComparer.Ordinal);
        if (version.GetObject("subresources") is not { } declared)
        {
            return subresources;
        }

        if (declared.ContainsKey("status"))
        {
            subresources["status"] = new SubresourceDefinition("status", null, s_partVerbs);
        }

        if (declared["scale"] is not null)
        {
            subresources["scale"] = new SubresourceDefinition("scale", new GroupVersionKind("autoscaling", "v1", "Scale"), s_partVerbs);
        }

        return subresources;
    }

    private static ScaleDefinition? ReadScale(ApiObject version) =>
        version.GetObject("subresources")?.GetObject("scale") is { } scale
            ? new ScaleDefinition(
                scale.GetString("specReplicasPath") ?? ".spec.replicas",
                scale.GetString("statusReplicasPath") ?? ".status.replicas",
                scale.GetString("labelSelectorPath") ?? "")
            : null;

    private static PrinterColumn ReadColumn(ApiObject column) =>
        new(column.GetString("name") ?? "", column.GetString("type") ?? "string", column.GetString("jsonPath") ?? "")
        {
            Format = column.GetString("format") ?? "",
            Description = column.GetString("description") ?? "",
            Priority = column.GetInt32("priority") ?? 0,
        };
}
