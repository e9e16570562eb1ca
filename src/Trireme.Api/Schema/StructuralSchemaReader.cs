using System.Text.Json;
using Trireme.Api.Documents;

namespace Trireme.Api.Schema;

/// <summary>Builds schema nodes from the OpenAPI v3 subset of CustomResourceDefinitions (KEP-1111: structural schemas).</summary>
internal static class StructuralSchemaReader
{
    public static SchemaNode ReadRoot(ApiObject schema)
    {
        var fields = new List<SchemaField>
        {
            new("apiVersion", new SchemaNode(SchemaKind.String)),
            new("kind", new SchemaNode(SchemaKind.String)),
            new("metadata", SchemaCatalog.Find("meta.v1.ObjectMeta")!),
        };
        foreach (var field in ReadFields(schema))
        {
            var implied = fields.FindIndex(f => f.Name == field.Name);
            if (implied < 0)
            {
                fields.Add(field);
            }
        }

        var node = new SchemaNode(SchemaKind.Object)
        {
            PreserveUnknownFields = schema.GetBoolean("x-kubernetes-preserve-unknown-fields") == true,
            Constraints = ReadConstraints(schema),
            Description = schema.GetString("description") ?? "",
        };
        node.SetFields(Number(fields));
        return node;
    }

    private static SchemaNode Read(ApiObject schema)
    {
        var kind = KindOf(schema);
        var hasFields = schema.GetObject("properties") is { Count: > 0 };
        var node = new SchemaNode(kind)
        {
            ListType = schema.GetString("x-kubernetes-list-type") switch
            {
                "map" => ListType.Map,
                "set" => ListType.Set,
                _ => ListType.Atomic,
            },
            ListKeys = schema.GetArray("x-kubernetes-list-map-keys") is { } keys ? [.. keys.Strings] : [],
            IsAtomic = schema.GetString("x-kubernetes-map-type") == "atomic",
            Enum = schema.GetArray("enum") is { } values ? [.. values] : null,
            Nullable = schema.GetBoolean("nullable") == true,
            EmbeddedResource = schema.GetBoolean("x-kubernetes-embedded-resource") == true,
            PreserveUnknownFields = kind == SchemaKind.Any || schema.GetBoolean("x-kubernetes-preserve-unknown-fields") == true
                || (kind == SchemaKind.Object && !hasFields && schema["additionalProperties"]?.AsBoolean() == true),
            Constraints = ReadConstraints(schema),
            Description = schema.GetString("description") ?? "",
            Items = kind switch
            {
                SchemaKind.List => schema.GetObject("items") is { } items ? Read(items) : SchemaNode.AnyValue,
                SchemaKind.Map => schema.GetObject("additionalProperties") is { } values2 ? Read(values2) : SchemaNode.AnyValue,
                _ => null,
            },
        };
        if (kind == SchemaKind.Object)
        {
            var fields = ReadFields(schema);
            if (node.EmbeddedResource)
            {
                AddIfMissing(fields, "apiVersion", new SchemaNode(SchemaKind.String));
                AddIfMissing(fields, "kind", new SchemaNode(SchemaKind.String));
                fields.RemoveAll(f => f.Name == "metadata");
                fields.Add(new SchemaField("metadata", SchemaCatalog.Find("meta.v1.ObjectMeta")!));
            }

            node.SetFields(Number(fields));
        }

        return node;
    }

    private static void AddIfMissing(List<SchemaField> fields, string name, SchemaNode node)
    {
        if (!fields.Exists(f => f.Name == name))
        {
            fields.Add(new SchemaField(name, node));
        }
    }

    private static List<SchemaField> Number(List<SchemaField> fields) => [.. fields.Select((f, i) => f with { Order = i })];

    private static SchemaKind KindOf(ApiObject schema)
    {
        if (schema.GetBoolean("x-kubernetes-int-or-string") == true)
        {
            return SchemaKind.IntOrString;
        }

        return schema.GetString("type") switch
        {
            // Both properties and additionalProperties are forbidden in one schema.
            "object" => schema["additionalProperties"] is ApiObject || (schema["additionalProperties"]?.AsBoolean() == true && schema.GetObject("properties") is null)
                ? SchemaKind.Map
                : SchemaKind.Object,
            "array" => SchemaKind.List,
            "string" => SchemaKind.String,
            "boolean" => SchemaKind.Boolean,
            "number" => SchemaKind.Number,
            "integer" => schema.GetString("format") switch
            {
                "int32" => SchemaKind.Int32,
                "int64" => SchemaKind.Int64,
                _ => SchemaKind.Integer,
            },
            _ => schema.GetObject("properties") is not null ? SchemaKind.Object : SchemaKind.Any,
        };
    }

    private static List<SchemaField> ReadFields(ApiObject schema)
    {
        var fields = new List<SchemaField>();
        if (schema.GetObject("properties") is not { } properties)
        {
            return fields;
        }

        var required = schema.GetArray("required")?.Strings.ToHashSet(StringComparer.Ordinal) ?? [];
        foreach (var (name, value) in properties)
        {
            if (value is ApiObject property)
            {
                fields.Add(new SchemaField(name, Read(property))
                {
                    Required = required.Contains(name),
                    IsPointer = true,
                    Default = property.TryGetValue("default", out var d) && d.Kind != JsonValueKind.Undefined ? d : null,
                });
            }
        }

        // A required field without a property of its own may stand inside preserved unknown fields.
        foreach (var name in required.Where(n => !fields.Exists(f => f.Name == n)).Order(StringComparer.Ordinal))
        {
            if (schema.GetBoolean("x-kubernetes-preserve-unknown-fields") == true || schema.GetString("type") is null)
            {
                fields.Add(new SchemaField(name, SchemaNode.AnyValue) { Required = true });
            }
        }

        return fields;
    }

    private static SchemaConstraints? ReadConstraints(ApiObject schema)
    {
        string[] names =
        [
            "minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
            "format", "allOf", "anyOf", "oneOf", "not", "x-kubernetes-validations",
        ];
        if (!names.Any(schema.ContainsKey))
        {
            return null;
        }

        return new SchemaConstraints
        {
            Minimum = schema["minimum"]?.AsDouble(),
            ExclusiveMinimum = schema.GetBoolean("exclusiveMinimum") == true,
            Maximum = schema["maximum"]?.AsDouble(),
            ExclusiveMaximum = schema.GetBoolean("exclusiveMaximum") == true,
            MultipleOf = schema["multipleOf"]?.AsDouble(),
            MinLength = schema.GetInt64("minLength"),
            MaxLength = schema.GetInt64("maxLength"),
            Pattern = schema.GetString("pattern"),
            MinItems = schema.GetInt64("minItems"),
            MaxItems = schema.GetInt64("maxItems"),
            UniqueItems = schema.GetBoolean("uniqueItems") == true,
            MinProperties = schema.GetInt64("minProperties"),
            MaxProperties = schema.GetInt64("maxProperties"),
            Format = schema.GetString("format"),
            AllOf = ReadList(schema, "allOf"),
            AnyOf = ReadList(schema, "anyOf"),
            OneOf = ReadList(schema, "oneOf"),
            Not = schema.GetObject("not") is { } not ? Read(not) : null,
            Rules = schema.GetArray("x-kubernetes-validations") is { } rules
                ? [.. rules.Objects.Select(r => new ValidationRule(
                    r.GetString("rule") ?? "",
                    r.GetString("message"),
                    r.GetString("messageExpression"),
                    r.GetString("reason"),
                    r.GetString("fieldPath"),
                    r.GetBoolean("optionalOldSelf") == true))]
                : [],
        };
    }

    private static List<SchemaNode> ReadList(ApiObject schema, string name) =>
        schema.GetArray(name) is { } list ? [.. list.Objects.Select(Read)] : [];
}
