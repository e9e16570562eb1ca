using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Validation;

/// <summary>Rules of CustomResourceDefinitions, structural schemas included (KEP-1111).</summary>
internal static class CustomResourceDefinitionValidation
{
    private static readonly string[] s_types = ["array", "boolean", "integer", "number", "object", "string"];

    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    public static void Validate(ApiDocument definition, List<FieldError> errors)
    {
        var spec = definition.Spec ?? [];
        var names = spec.GetObject("names") ?? [];
        var group = spec.GetString("group") ?? "";
        if (Checks.RequireString(spec, "group", SpecPath, errors))
        {
            MetadataValidation.Report(NameRules.Dns1123Subdomain(group), SpecPath.Child("group"), group, errors);
            if (!group.Contains('.', StringComparison.Ordinal))
            {
                errors.Add(FieldError.Invalid(SpecPath.Child("group"), group, "should be a domain with at least one dot"));
            }
        }

        var wanted = $"{names.GetString("plural")}.{group}";
        if (definition.Metadata.Name != wanted)
        {
            errors.Add(FieldError.Invalid(FieldPath.Of("metadata", "name"), definition.Metadata.Name ?? "", "must be spec.names.plural+\".\"+spec.group"));
        }

        if (Checks.RequireString(spec, "scope", SpecPath, errors) && spec.GetString("scope") is not ("Cluster" or "Namespaced"))
        {
            errors.Add(FieldError.NotSupported(SpecPath.Child("scope"), spec["scope"], "Cluster", "Namespaced"));
        }

        foreach (var field in (ReadOnlySpan<string>)["plural", "singular", "kind", "listKind"])
        {
            if (Checks.RequireString(names, field, SpecPath.Child("names"), errors))
            {
#pragma warning disable CA1308 // Kinds are labels but for their case.
                MetadataValidation.Report(
                    NameRules.Dns1035Label(field is "plural" or "singular" ? names.GetString(field)! : names.GetString(field)!.ToLowerInvariant()),
                    SpecPath.Child("names", field),
                    names[field]!,
                    errors);
#pragma warning restore CA1308
            }
        }

        if (names.GetString("kind") is { Length: > 0 } kind && kind == names.GetString("listKind"))
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("names", "listKind"), kind, "kind and listKind may not be the same"));
        }

        ValidateVersions(spec, errors);
    }

    public static void Update(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        Checks.RequireUnchanged(updated.Find("spec", "group"), existing.Find("spec", "group"), SpecPath.Child("group"), errors);
        Checks.RequireUnchanged(updated.Find("spec", "names", "plural"), existing.Find("spec", "names", "plural"), SpecPath.Child("names", "plural"), errors);
        var established = existing.Find("status", "conditions")?.AsArray()?.Objects
            .Any(c => c.GetString("type") == "Established" && c.GetString("status") == "True") == true;
        if (established)
        {
            Checks.RequireUnchanged(updated.Find("spec", "scope"), existing.Find("spec", "scope"), SpecPath.Child("scope"), errors);
            Checks.RequireUnchanged(updated.Find("spec", "names", "kind"), existing.Find("spec", "names", "kind"), SpecPath.Child("names", "kind"), errors);
        }
    }

    private static void ValidateVersions(ApiObject spec, List<FieldError> errors)
    {
        var path = SpecPath.Child("versions");
        if (spec.GetArray("versions") is not { Count: > 0 } versions)
        {
            errors.Add(FieldError.Required(path, "must have at least one version"));
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        var storage = 0;
        var index = 0;
        foreach (var version in versions.Objects)
        {
            var at = path.Index(index++);
            var name = version.GetString("name") ?? "";
            MetadataValidation.Report(NameRules.Dns1035Label(name), at.Child("name"), name, errors);
            if (!seen.Add(name))
            {
                errors.Add(FieldError.Invalid(path, spec["versions"], "must contain unique version names"));
            }

            storage += version.GetBoolean("storage") == true ? 1 : 0;
            if (version.Find("schema", "openAPIV3Schema") is not ApiObject schema)
            {
                errors.Add(FieldError.Required(at.Child("schema", "openAPIV3Schema"), "schemas are required"));
            }
            else
            {
                if (schema.GetString("type") != "object")
                {
                    errors.Add(FieldError.Invalid(
                        at.Child("schema", "openAPIV3Schema").Child("type"), schema.GetString("type") ?? "", "must be object at the root"));
                }

                ValidateSchema(schema, at.Child("schema", "openAPIV3Schema"), errors);
            }
        }

        if (storage != 1)
        {
            errors.Add(FieldError.Invalid(path, spec["versions"], "must have exactly one version marked as storage version"));
        }
    }

    private static void ValidateSchema(ApiObject schema, FieldPath path, List<FieldError> errors)
    {
        if (schema.GetString("pattern") is { } pattern && SchemaConstraints.TryCompile(pattern) is null)
        {
            errors.Add(FieldError.Invalid(path.Child("pattern"), pattern, "must be a valid regular expression, but isn't"));
        }

        if (schema.ContainsKey("$ref"))
        {
            errors.Add(FieldError.Forbidden(path.Child("$ref"), "$ref is not supported"));
        }

        if (schema.GetBoolean("uniqueItems") == true)
        {
            errors.Add(FieldError.Forbidden(path.Child("uniqueItems"), "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"));
        }

        if (schema["properties"] is not null && schema["additionalProperties"] is ApiObject)
        {
            errors.Add(FieldError.Forbidden(path.Child("additionalProperties"), "additionalProperties and properties are mutual exclusive"));
        }

        if (schema.GetString("x-kubernetes-list-type") == "map" && schema.GetArray("x-kubernetes-list-map-keys") is not { Count: > 0 })
        {
            errors.Add(FieldError.Required(path.Child("x-kubernetes-list-map-keys"), "must not be empty if x-kubernetes-list-type is map"));
        }

        if (schema.GetString("type") is { Length: > 0 } type && !s_types.Contains(type))
        {
            errors.Add(FieldError.NotSupported(path.Child("type"), type, s_types));
        }

        if (schema.GetString("type") == "array" && schema["items"] is null)
        {
            errors.Add(FieldError.Required(path.Child("items"), "must be specified"));
        }

        foreach (var (name, child) in schema.GetObject("properties") ?? [])
        {
            if (child is ApiObject property)
            {
                var at = path.Child("properties").Key(name);
                if (string.IsNullOrEmpty(property.GetString("type")) && property.GetBoolean("x-kubernetes-int-or-string") != true
                    && property.GetBoolean("x-kubernetes-preserve-unknown-fields") != true)
                {
                    errors.Add(FieldError.Required(at.Child("type"), "must not be empty for specified object fields"));
                }

                ValidateSchema(property, at, errors);
            }
        }

        if (schema.GetObject("items") is { } items)
        {
            if (string.IsNullOrEmpty(items.GetString("type")) && items.GetBoolean("x-kubernetes-int-or-string") != true
                && items.GetBoolean("x-kubernetes-preserve-unknown-fields") != true)
            {
                errors.Add(FieldError.Required(path.Child("items", "type"), "must not be empty for specified array items"));
            }

            ValidateSchema(items, path.Child("items"), errors);
        }

        if (schema.GetObject("additionalProperties") is { } values)
        {
            ValidateSchema(values, path.Child("additionalProperties"), errors);
        }
    }
}
