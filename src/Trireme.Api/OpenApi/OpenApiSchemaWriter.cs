using System.Text.Json;
using Trireme.Api.Schema;

namespace Trireme.Api.OpenApi;

/// <summary>Writes schemas as OpenAPI, version 3 or 2, with Kubernetes' extensions, and collects the types they refer to.</summary>
internal sealed class OpenApiSchemaWriter(Utf8JsonWriter writer, bool isVersion3)
{
    private readonly SortedDictionary<string, SchemaNode> _pending = new(StringComparer.Ordinal);
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<GroupVersionKind>> _kinds = new(StringComparer.Ordinal);

    private string ReferencePrefix => isVersion3 ? "#/components/schemas/" : "#/definitions/";

    /// <summary>Says that a type is the body of a kind.</summary>
    public void AddKind(string name, GroupVersionKind kind)
    {
        if (!_kinds.TryGetValue(name, out var kinds))
        {
            _kinds[name] = kinds = [];
        }

        if (!kinds.Contains(kind))
        {
            kinds.Add(kind);
        }
    }

    /// <summary>Asks for a built-in type to be written by <see cref="WritePending"/>.</summary>
    public void Require(SchemaNode type) => _pending.TryAdd(OpenApiNames.OfType(type.TypeName!), type);

    /// <summary>Writes a kind that has no built-in type, and the list of any kind.</summary>
    public void WriteKind(ResourceDefinition resource)
    {
        var name = OpenApiNames.OfKind(resource);
        AddKind(name, resource.GroupVersionKind);
        if (resource.Schema.Root.TypeName is not null)
        {
            Require(resource.Schema.Root);
        }
        else if (_written.Add(name))
        {
            writer.WritePropertyName(name);
            WriteNode(resource.Schema.Root, inlineType: true, description: resource.Schema.Root.Description.Length > 0 ? "" : $"{resource.Kind} is a custom resource.", kinds: _kinds[name]);
        }

        if (resource.Supports("list") && _written.Add(OpenApiNames.OfList(resource)))
        {
            WriteList(resource, name);
        }
    }

    /// <summary>Writes the types that were referred to, and those that they refer to in turn.</summary>
    public void WritePending()
    {
        while (_pending.Count > 0)
        {
            var (name, type) = _pending.First();
            _pending.Remove(name);
            if (_written.Add(name))
            {
                writer.WritePropertyName(name);
                WriteNode(type, inlineType: true, TypeDescriptions.Of(type.TypeName!), _kinds.GetValueOrDefault(name));
            }
        }

        WriteCommonTypes();
    }

    /// <summary>A reference to a named schema.</summary>
    public void WriteReference(string name)
    {
        writer.WriteStartObject();
        writer.WriteString("$ref", ReferencePrefix + name);
        writer.WriteEndObject();
    }

    private void WriteList(ResourceDefinition resource, string item)
    {
        writer.WriteStartObject(OpenApiNames.OfList(resource));
        writer.WriteString("description", $"{resource.ListKind} is a list of {resource.Kind}.");
        writer.WriteString("type", "object");
        writer.WriteStartArray("required");
        writer.WriteStringValue("items");
        writer.WriteEndArray();
        writer.WriteStartObject("properties");
        WriteTextField("apiVersion", TypeDescriptions.Of(null, "apiVersion"));
        writer.WriteStartObject("items");
        writer.WriteString("type", "array");
        writer.WritePropertyName("items");
        WriteReference(item);
        writer.WriteEndObject();
        WriteTextField("kind", TypeDescriptions.Of(null, "kind"));
        writer.WritePropertyName("metadata");
        WriteNode(SchemaCatalog.Find("meta.v1.ListMeta")!, inlineType: false);
        writer.WriteEndObject();
        WriteKinds([resource.GroupVersionKind with { Kind = resource.ListKind }]);
        writer.WriteEndObject();
    }

    private void WriteTextField(string name, string description)
    {
        writer.WriteStartObject(name);
        writer.WriteString("description", description);
        writer.WriteString("type", "string");
        writer.WriteEndObject();
    }

    private void WriteKinds(IEnumerable<GroupVersionKind>? kinds)
    {
        if (kinds is null)
        {
            return;
        }

        writer.WriteStartArray("x-kubernetes-group-version-kind");
        foreach (var kind in kinds)
        {
            writer.WriteStartObject();
            writer.WriteString("group", kind.Group);
            writer.WriteString("kind", kind.Kind);
            writer.WriteString("version", kind.Version);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private void WriteNode(
        SchemaNode node, bool inlineType, string description = "", IReadOnlyList<GroupVersionKind>? kinds = null, SchemaField? field = null)
    {
        if (!inlineType && ReferenceOf(node) is { } reference)
        {
            if (node.Kind == SchemaKind.Object && node.TypeName is not null)
            {
                Require(SchemaCatalog.Find(node.TypeName) ?? node);
            }

            // A reference may not have siblings in version 3: the default and description stand around it.
            writer.WriteStartObject();
            if (description.Length > 0)
            {
                writer.WriteString("description", description);
            }

            var hasDefault = field is { Default: not null } or { IsPointer: false, Schema.Kind: SchemaKind.Object };
            if (isVersion3 && (hasDefault || description.Length > 0))
            {
                writer.WriteStartArray("allOf");
                WriteReference(reference);
                writer.WriteEndArray();
                if (hasDefault)
                {
                    WriteDefault(field!);
                }
            }
            else
            {
                writer.WriteString("$ref", ReferencePrefix + reference);
            }

            WritePatchStrategy(node);
            writer.WriteEndObject();
            return;
        }

        writer.WriteStartObject();
        var text = description.Length > 0 ? description : node.Description;
        if (text.Length > 0)
        {
            writer.WriteString("description", text);
        }

        WriteType(node);
        if (field?.Default is { } fieldDefault && node.Kind != SchemaKind.Object)
        {
            writer.WritePropertyName("default");
            fieldDefault.Write(writer);
        }

        if (node.Enum is { } values)
        {
            writer.WriteStartArray("enum");
            foreach (var value in values)
            {
                value.Write(writer);
            }

            writer.WriteEndArray();
        }

        WriteChildren(node);
        WriteExtensions(node);
        if (node.Constraints is { } constraints)
        {
            WriteConstraints(constraints);
        }

        WriteKinds(kinds);
        writer.WriteEndObject();
    }

    private void WriteDefault(SchemaField field)
    {
        writer.WritePropertyName("default");
        if (field.Default is { } value)
        {
            value.Write(writer);
        }
        else
        {
            writer.WriteStartObject();
            writer.WriteEndObject();
        }
    }

    private void WriteType(SchemaNode node)
    {
        var (type, format) = node.Kind switch
        {
            SchemaKind.Object or SchemaKind.Map => ("object", null),
            SchemaKind.List => ("array", null),
            SchemaKind.Boolean => ("boolean", null),
            SchemaKind.Int32 => ("integer", "int32"),
            SchemaKind.Int64 => ("integer", "int64"),
            SchemaKind.Integer => ("integer", null),
            SchemaKind.Number => ("number", node.Constraints is null && node.TypeName is null ? "double" : null),
            SchemaKind.Bytes => ("string", "byte"),
            SchemaKind.Any => (null, null),
            SchemaKind.IntOrString => (isVersion3 ? null : "string", "int-or-string"),
            _ => ("string", (string?)null),
        };
        if (type is not null)
        {
            writer.WriteString("type", type);
        }

        format = node.Constraints?.Format ?? format;
        if (format is not null)
        {
            writer.WriteString("format", format);
        }

        if (node.Nullable && isVersion3)
        {
            writer.WriteBoolean("nullable", true);
        }
    }

    private void WriteChildren(SchemaNode node)
    {
        switch (node.Kind)
        {
            case SchemaKind.List:
                writer.WritePropertyName("items");
                WriteNode(node.Items ?? SchemaNode.AnyValue, inlineType: false);
                break;
            case SchemaKind.Map:
                writer.WritePropertyName("additionalProperties");
                WriteNode(node.Items ?? SchemaNode.AnyValue, inlineType: false);
                break;
            case SchemaKind.Object when node.Fields.Count > 0:
                WriteFields(node);
                break;
        }
    }

    private void WriteFields(SchemaNode node)
    {
        if (node.Fields.Any(f => f.Required))
        {
            writer.WriteStartArray("required");
            foreach (var field in node.Fields.Where(f => f.Required))
            {
                writer.WriteStringValue(field.Name);
            }

            writer.WriteEndArray();
        }

        writer.WriteStartObject("properties");
        foreach (var field in node.Fields.OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            writer.WritePropertyName(field.Name);
            var description = DescriptionOf(node, field);
            WriteNode(field.Schema, inlineType: false, description, field: field);
        }

        writer.WriteEndObject();
    }

    private static string DescriptionOf(SchemaNode node, SchemaField field)
    {
        // A custom resource describes itself, but for what every object has.
        var isObject = node.TryGetField("kind", out _) && node.TryGetField("apiVersion", out _);
        var text = node.TypeName is not null || (isObject && field.Name is "kind" or "apiVersion" or "metadata") ? TypeDescriptions.Of(node.TypeName, field.Name) : "";
        return (field.Deprecated, text.Length) switch
        {
            (true, 0) => "Deprecated.",
            (true, _) => $"Deprecated: {text}",
            _ => text,
        };
    }

    private void WriteExtensions(SchemaNode node)
    {
        if (node.Kind == SchemaKind.List && (node.ListType != ListType.Atomic || node.PatchMergeKey is null))
        {
            writer.WriteString("x-kubernetes-list-type", node.ListType switch
            {
                ListType.Map => "map",
                ListType.Set => "set",
                _ => "atomic",
            });
        }

        if (node.ListKeys.Count > 0)
        {
            writer.WriteStartArray("x-kubernetes-list-map-keys");
            foreach (var key in node.ListKeys)
            {
                writer.WriteStringValue(key);
            }

            writer.WriteEndArray();
        }

        if (node.IsAtomic)
        {
            writer.WriteString("x-kubernetes-map-type", "atomic");
        }

        // Also for a value of any kind: kubectl explain stumbles over a schema that says nothing.
        if (node.TypeName is null && node is { PreserveUnknownFields: true, Kind: SchemaKind.Object or SchemaKind.Map or SchemaKind.Any })
        {
            writer.WriteBoolean("x-kubernetes-preserve-unknown-fields", true);
        }

        if (node.EmbeddedResource)
        {
            writer.WriteBoolean("x-kubernetes-embedded-resource", true);
        }

        if (node.Kind == SchemaKind.IntOrString)
        {
            writer.WriteBoolean("x-kubernetes-int-or-string", true);
        }

        WritePatchStrategy(node);
    }

    private void WritePatchStrategy(SchemaNode node)
    {
        if (node.PatchMergeKey is not null)
        {
            writer.WriteString("x-kubernetes-patch-merge-key", node.PatchMergeKey);
        }

        if (node.PatchStrategies != PatchStrategies.None)
        {
            writer.WriteString("x-kubernetes-patch-strategy", node.PatchStrategies switch
            {
                PatchStrategies.Merge => "merge",
                PatchStrategies.RetainKeys => "retainKeys",
                _ => "merge,retainKeys",
            });
        }
    }

    private void WriteConstraints(SchemaConstraints constraints)
    {
        WriteNumber("minimum", constraints.Minimum);
        WriteNumber("maximum", constraints.Maximum);
        WriteFlag("exclusiveMinimum", constraints.ExclusiveMinimum);
        WriteFlag("exclusiveMaximum", constraints.ExclusiveMaximum);
        WriteNumber("multipleOf", constraints.MultipleOf);
        WriteNumber("minLength", constraints.MinLength);
        WriteNumber("maxLength", constraints.MaxLength);
        WriteNumber("minItems", constraints.MinItems);
        WriteNumber("maxItems", constraints.MaxItems);
        WriteNumber("minProperties", constraints.MinProperties);
        WriteNumber("maxProperties", constraints.MaxProperties);
        WriteFlag("uniqueItems", constraints.UniqueItems);
        if (constraints.Pattern is not null)
        {
            writer.WriteString("pattern", constraints.Pattern);
        }

        if (!isVersion3)
        {
            // Version 2 knows no combinations; clients must not reject what the server would take.
            return;
        }

        WriteCombination("allOf", constraints.AllOf);
        WriteCombination("anyOf", constraints.AnyOf);
        WriteCombination("oneOf", constraints.OneOf);
        if (constraints.Not is { } not)
        {
            writer.WritePropertyName("not");
            WriteNode(not, inlineType: true);
        }

        if (constraints.Rules.Count > 0)
        {
            writer.WriteStartArray("x-kubernetes-validations");
            foreach (var rule in constraints.Rules)
            {
                writer.WriteStartObject();
                writer.WriteString("rule", rule.Rule);
                if (rule.Message is not null)
                {
                    writer.WriteString("message", rule.Message);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }
    }

    private void WriteCombination(string name, IReadOnlyList<SchemaNode> nodes)
    {
        if (nodes.Count == 0)
        {
            return;
        }

        writer.WriteStartArray(name);
        foreach (var node in nodes)
        {
            WriteNode(node, inlineType: true);
        }

        writer.WriteEndArray();
    }

    private void WriteNumber(string name, double? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }

    private void WriteFlag(string name, bool value)
    {
        if (value)
        {
            writer.WriteBoolean(name, true);
        }
    }

    private static string? ReferenceOf(SchemaNode node) => node.Kind switch
    {
        SchemaKind.Object => node.TypeName is { } type ? OpenApiNames.OfType(type) : null,
        SchemaKind.Quantity => OpenApiNames.Quantity,
        SchemaKind.Time => OpenApiNames.Time,
        SchemaKind.MicroTime => OpenApiNames.MicroTime,
        SchemaKind.IntOrString when node.Constraints is null && node.Description.Length == 0 && node.Enum is null => OpenApiNames.IntOrString,
        _ => null,
    };

    private void WriteCommonTypes()
    {
        WriteScalarType(OpenApiNames.Quantity, "Quantity is an amount with a suffix, such as 500m or 1Gi.", null, ["string", "number"]);
        WriteScalarType(OpenApiNames.IntOrString, "IntOrString is a number or a text.", "int-or-string", ["integer", "string"]);
        WriteScalarType(OpenApiNames.Time, "Time is a time in RFC 3339, in seconds.", "date-time", ["string"]);
        WriteScalarType(OpenApiNames.MicroTime, "MicroTime is a time in RFC 3339, in microseconds.", "date-time", ["string"]);
    }

    private void WriteScalarType(string name, string description, string? format, string[] types)
    {
        writer.WriteStartObject(name);
        writer.WriteString("description", description);
        if (format is not null)
        {
            writer.WriteString("format", format);
        }

        if (types.Length == 1 || !isVersion3)
        {
            writer.WriteString("type", name == OpenApiNames.IntOrString ? "string" : types[0]);
        }
        else
        {
            writer.WriteStartArray("oneOf");
            foreach (var type in types)
            {
                writer.WriteStartObject();
                writer.WriteString("type", type);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }
}
