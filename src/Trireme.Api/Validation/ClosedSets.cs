using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Validation;

/// <summary>Fields of built-in kinds whose values come from a closed set: <c>Unsupported value: "x": supported values: "A", "B"</c>.</summary>
internal static class ClosedSets
{
    public static void Validate(ApiDocument document, SchemaNode schema, List<FieldError> errors)
    {
        foreach (var (name, value) in document.Root)
        {
            // Status is written by components, in the words of their own version.
            if (name is not ("metadata" or "status") && schema.TryGetField(name, out var field))
            {
                Check(value, field.Schema, FieldPath.Of(name), errors);
            }
        }
    }

    private static void Check(ApiNode value, SchemaNode schema, FieldPath path, List<FieldError> errors)
    {
        switch (value)
        {
            case ApiObject o when schema.Kind == SchemaKind.Object:
                foreach (var (name, child) in o)
                {
                    if (schema.TryGetField(name, out var field))
                    {
                        Check(child, field.Schema, path.Child(name), errors);
                    }
                }

                break;
            case ApiObject o when schema is { Kind: SchemaKind.Map, Items: { } values } && values.Kind is SchemaKind.Object or SchemaKind.List:
                foreach (var (name, child) in o)
                {
                    Check(child, values, path.Key(name), errors);
                }

                break;
            case ApiArray a when schema.Items is { } items && (items.Enum is not null || items.Kind is SchemaKind.Object or SchemaKind.List or SchemaKind.Map):
                for (var i = 0; i < a.Count; i++)
                {
                    Check(a[i], items, path.Index(i), errors);
                }

                break;
            case ApiScalar { Kind: JsonValueKind.String } s when schema.Enum is { } allowed && s.Text.Length > 0 && !Contains(allowed, s.Text):
                errors.Add(FieldError.NotSupported(path, s, allowed.Select(a => a.AsString() ?? "").Order(StringComparer.Ordinal)));
                break;
        }
    }

    private static bool Contains(IReadOnlyList<ApiNode> allowed, string text)
    {
        foreach (var value in allowed)
        {
            if (value.AsString() == text)
            {
                return true;
            }
        }

        return false;
    }
}
