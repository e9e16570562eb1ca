using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Defaulting;

/// <summary>A rule that completes an object of one type; it finds only fields missing that may be missing.</summary>
internal delegate void DefaultRule(ApiObject value);

/// <summary>
/// Fills in what a client left out: the versioned defaults of built-in types, and the <c>default</c>s of structural schemas. Works on decoded objects
/// (see <see cref="ObjectDecoder"/>), where empty and missing are the same. Idempotent.
/// </summary>
public static class ObjectDefaults
{
    private static readonly Dictionary<string, DefaultRule> Rules = BuildRules();

    /// <summary>Completes an object in place.</summary>
    public static void Apply(ApiDocument document, ResourceDefinition resource) => Apply(document.Root, resource.Schema.Root);

    /// <summary>Completes a value of a given type in place, for example the pod template of a custom workload.</summary>
    public static void Apply(ApiNode value, SchemaNode schema)
    {
        switch (value)
        {
            case ApiObject o when schema.Kind == SchemaKind.Object:
                ApplyObject(o, schema);
                break;
            case ApiObject o when schema is { Kind: SchemaKind.Map, Items: { } items } && MayHaveDefaults(items):
                foreach (var (_, item) in o)
                {
                    Apply(item, items);
                }

                break;
            case ApiArray a when schema is { Kind: SchemaKind.List, Items: { } items } && MayHaveDefaults(items):
                foreach (var item in a)
                {
                    Apply(item, items);
                }

                break;
        }
    }

    /// <summary>Sets a field that is missing.</summary>
    internal static void Default(this ApiObject value, string name, ApiNode defaultValue)
    {
        if (value[name] is null)
        {
            value.Set(name, defaultValue);
        }
    }

    private static void ApplyObject(ApiObject value, SchemaNode schema)
    {
        if (schema.TypeName is { } type)
        {
            if (Rules.TryGetValue(type, out var rule))
            {
                rule(value);
            }
        }
        else
        {
            DropNullsWithDefaults(value, schema);
        }

        foreach (var field in schema.Defaulted)
        {
            if (!value.ContainsKey(field.Name))
            {
                value.Set(field.Name, field.Default!.DeepClone());
            }
        }

        foreach (var (name, child) in value)
        {
            if (child is not ApiScalar && schema.TryGetField(name, out var field))
            {
                Apply(child, field.Schema);
            }
        }
    }

    /// <summary>A null where null is not allowed gives way to the default (CustomResourceDefinition documentation, 'Defaulting and Nullable').</summary>
    private static void DropNullsWithDefaults(ApiObject value, SchemaNode schema)
    {
        foreach (var field in schema.Defaulted)
        {
            if (!field.Schema.Nullable && value.TryGetValue(field.Name, out var child) && child.Kind == JsonValueKind.Null)
            {
                value.Remove(field.Name);
            }
        }
    }

    private static bool MayHaveDefaults(SchemaNode items) => items.Kind is SchemaKind.Object or SchemaKind.Map or SchemaKind.List;

    private static Dictionary<string, DefaultRule> BuildRules()
    {
        var rules = new Dictionary<string, DefaultRule>(StringComparer.Ordinal);
        PodDefaults.Register(rules);
        VolumeDefaults.Register(rules);
        CoreDefaults.Register(rules);
        WorkloadDefaults.Register(rules);
        PolicyDefaults.Register(rules);
        return rules;
    }
}
