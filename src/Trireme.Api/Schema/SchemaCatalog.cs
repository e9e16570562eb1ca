using System.Text.Json;
using Trireme.Api.Documents;

namespace Trireme.Api.Schema;

/// <summary>The built-in types, read from the facts when they are first asked for.</summary>
internal static class SchemaCatalog
{
    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, SchemaNode> Built = [];
    private static JsonElement _types;

    /// <summary>The schema of a named type such as <c>core.v1.Pod</c>; null when the facts do not hold it.</summary>
    public static SchemaNode? Find(string typeName)
    {
        lock (Gate)
        {
            return Resolve(typeName);
        }
    }

    /// <summary>Group name to the prefix of its types: <c>rbac.authorization.k8s.io</c> to <c>rbac</c>.</summary>
    public static string? TypePrefix(string group) => Prefixes.GetValueOrDefault(group);

    private static Dictionary<string, string> Prefixes { get; } = ApiFacts.Root.GetProperty("groupOf").EnumerateObject()
        .GroupBy(p => p.Value.GetString()!)
        .ToDictionary(g => g.Key, g => g.First().Name, StringComparer.Ordinal);

    private static SchemaNode? Resolve(string typeName)
    {
        if (Built.TryGetValue(typeName, out var known))
        {
            return known;
        }

        if (_types.ValueKind == JsonValueKind.Undefined)
        {
            _types = ApiFacts.Root.GetProperty("types");
        }

        if (!_types.TryGetProperty(typeName, out var facts))
        {
            return null;
        }

        // Registered before its fields are read, so that a type may contain itself.
        var node = new SchemaNode(SchemaKind.Object)
        {
            TypeName = typeName,
            IsAtomic = facts.TryGetProperty("struct", out var s) && s.GetString() == "atomic",
            PreserveUnknownFields = false,
        };
        Built[typeName] = node;
        var fields = new List<SchemaField>();
        if (facts.TryGetProperty("gvk", out _))
        {
            AddImplied(fields, facts, "kind");
            AddImplied(fields, facts, "apiVersion");
        }

        foreach (var field in facts.GetProperty("fields").EnumerateObject())
        {
            if (fields.Exists(f => f.Name == field.Name))
            {
                continue;
            }

            var value = field.Value;
            var omit = Text(value, "omit") ?? "";
            fields.Add(new SchemaField(field.Name, FieldType(value))
            {
                Order = fields.Count,
                Required = Flag(value, "required"),
                IsPointer = Flag(value, "ptr"),
                OmitEmpty = omit.Contains('e', StringComparison.Ordinal),
                OmitZero = omit.Contains('z', StringComparison.Ordinal),
                Deprecated = Flag(value, "deprecated"),
                Default = value.TryGetProperty("default", out var d) ? ApiNode.Parse(d.GetRawText()) : null,
            });
        }

        node.SetFields(fields);
        return node;
    }

    private static void AddImplied(List<SchemaField> fields, JsonElement facts, string name)
    {
        if (!facts.GetProperty("fields").TryGetProperty(name, out _))
        {
            fields.Add(new SchemaField(name, new SchemaNode(SchemaKind.String)) { Order = fields.Count, OmitEmpty = true });
        }
    }

    private static SchemaNode FieldType(JsonElement field)
    {
        var type = field.GetProperty("type").GetString()!;
        var enumeration = field.TryGetProperty("enum", out var e) ? e.EnumerateArray().Select(v => (ApiNode)v.GetString()!).ToList() : null;
        if (type.StartsWith("[]", StringComparison.Ordinal))
        {
            var strategies = PatchStrategies.None;
            foreach (var strategy in (Text(field, "patchStrategy") ?? "").Split(','))
            {
                strategies |= strategy switch
                {
                    "merge" => PatchStrategies.Merge,
                    "retainKeys" => PatchStrategies.RetainKeys,
                    _ => PatchStrategies.None,
                };
            }

            return new SchemaNode(SchemaKind.List)
            {
                Items = TypeOf(type[2..], enumeration),
                ListType = Text(field, "list") switch
                {
                    "map" => ListType.Map,
                    "set" => ListType.Set,
                    _ => ListType.Atomic,
                },
                ListKeys = field.TryGetProperty("keys", out var keys) ? [.. keys.EnumerateArray().Select(k => k.GetString()!)] : [],
                PatchStrategies = strategies,
                PatchMergeKey = Text(field, "patchMergeKey"),
            };
        }

        if (type.StartsWith("map:", StringComparison.Ordinal))
        {
            return new SchemaNode(SchemaKind.Map) { Items = TypeOf(type[4..], enumeration), IsAtomic = Text(field, "map") == "atomic" };
        }

        if (Text(field, "patchStrategy") is { } own && own.Contains("retainKeys", StringComparison.Ordinal))
        {
            // A struct whose members exclude each other (DeploymentStrategy): the strategy belongs to this field, not to the type.
            var named = Resolve(type)!;
            var copy = new SchemaNode(SchemaKind.Object) { TypeName = type, PatchStrategies = PatchStrategies.RetainKeys };
            copy.SetFields(named.Fields);
            return copy;
        }

        return TypeOf(type, enumeration);
    }

    private static SchemaNode TypeOf(string type, List<ApiNode>? enumeration)
    {
        if (type.StartsWith("[]", StringComparison.Ordinal))
        {
            return new SchemaNode(SchemaKind.List) { Items = TypeOf(type[2..], enumeration) };
        }

        SchemaKind? scalar = type switch
        {
            "string" => SchemaKind.String,
            "boolean" => SchemaKind.Boolean,
            "int32" => SchemaKind.Int32,
            "int64" => SchemaKind.Int64,
            "double" => SchemaKind.Number,
            "quantity" => SchemaKind.Quantity,
            "int-or-string" => SchemaKind.IntOrString,
            "time" => SchemaKind.Time,
            "microtime" => SchemaKind.MicroTime,
            "duration" => SchemaKind.Duration,
            "bytes" => SchemaKind.Bytes,
            _ => null,
        };
        return scalar is { } kind
            ? new SchemaNode(kind) { Enum = enumeration }
            : Resolve(type) ?? SchemaNode.AnyValue;
    }

    private static bool Flag(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
