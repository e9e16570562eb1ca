using System.Globalization;
using System.Net;
using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.Api.Schema;

namespace Trireme.Api.Validation;

/// <summary>Checks a custom resource against its structural schema, in the words of Kubernetes: <c>spec.size in body must be of type integer: "string"</c>.</summary>
/// <remarks>CEL rules are not evaluated here; they are in <see cref="SchemaConstraints.Rules"/>.</remarks>
public static class StructuralValidator
{
    /// <summary>Everything that is wrong with a value of a given type.</summary>
    public static IReadOnlyList<FieldError> Validate(ApiNode value, SchemaNode schema)
    {
        var errors = new List<FieldError>();
        Check(value, schema, FieldPath.Root, errors);
        return errors;
    }

    internal static void Check(ApiNode value, SchemaNode schema, FieldPath path, List<FieldError> errors)
    {
        if (schema.TypeName is not null)
        {
            // metadata: its own validation knows it better.
            return;
        }

        if (value.Kind == JsonValueKind.Null && schema.Nullable)
        {
            return;
        }

        if (!IsOfType(value, schema.Kind))
        {
            var found = TypeName(value);
            errors.Add(FieldError.TypeInvalid(path, found, $"{path} in body must be of type {TypeName(schema.Kind)}: \"{found}\""));
            return;
        }

        if (schema.Enum is { } allowed && !allowed.Any(a => ApiNode.DeepEquals(a, value)))
        {
            errors.Add(FieldError.NotSupported(path, value, allowed.Select(a => a.AsString() ?? a.ToString())));
        }

        switch (value)
        {
            case ApiObject o when schema.Kind is SchemaKind.Object or SchemaKind.Any:
                CheckFields(o, schema, path, errors);
                break;
            case ApiObject o when schema.Items is { } items:
                foreach (var (name, child) in o)
                {
                    Check(child, items, path.Child(name), errors);
                }

                break;
            case ApiArray a:
                CheckList(a, schema, path, errors);
                break;
        }

        if (schema.Constraints is { } constraints)
        {
            CheckConstraints(value, constraints, path, errors);
        }
    }

    private static void CheckFields(ApiObject value, SchemaNode schema, FieldPath path, List<FieldError> errors)
    {
        foreach (var field in schema.Fields)
        {
            if (!value.TryGetValue(field.Name, out var child))
            {
                if (field.Required)
                {
                    errors.Add(FieldError.Required(path.Child(field.Name)));
                }
            }
            else
            {
                Check(child, field.Schema, path.Child(field.Name), errors);
            }
        }
    }

    private static void CheckList(ApiArray list, SchemaNode schema, FieldPath path, List<FieldError> errors)
    {
        for (var i = 0; i < list.Count; i++)
        {
            if (schema.Items is { } items)
            {
                Check(list[i], items, path.Index(i), errors);
            }
        }

        if (schema.ListType == ListType.Atomic)
        {
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < list.Count; i++)
        {
            var identity = list[i];
            if (schema.ListType == ListType.Map)
            {
                var keys = new ApiObject();
                foreach (var key in schema.ListKeys)
                {
                    keys[key] = list[i][key];
                }

                identity = keys;
            }

            if (!seen.Add(identity.ToString()))
            {
                errors.Add(FieldError.Duplicate(path.Index(i), identity));
            }
        }
    }

    private static void CheckConstraints(ApiNode value, SchemaConstraints limits, FieldPath path, List<FieldError> errors)
    {
        switch (value)
        {
            case ApiScalar { Kind: JsonValueKind.Number } number:
                CheckNumber(number, limits, path, errors);
                break;
            case ApiScalar { Kind: JsonValueKind.String } text:
                CheckString(text, limits, path, errors);
                break;
            case ApiArray list:
                if (list.Count < limits.MinItems)
                {
                    Invalid($"should have at least {limits.MinItems} items");
                }

                if (list.Count > limits.MaxItems)
                {
                    errors.Add(FieldError.TooMany(path, list.Count, (int)limits.MaxItems));
                }

                if (limits.UniqueItems && list.Select(i => i.ToString()).Distinct(StringComparer.Ordinal).Count() != list.Count)
                {
                    Invalid("shouldn't contain duplicates");
                }

                break;
            case ApiObject o:
                if (o.Count < limits.MinProperties)
                {
                    Invalid($"should have at least {limits.MinProperties} properties");
                }

                if (o.Count > limits.MaxProperties)
                {
                    errors.Add(FieldError.TooMany(path, o.Count, (int)limits.MaxProperties));
                }

                break;
        }

        CheckCombinations(value, limits, path, errors);

        void Invalid(string detail) => errors.Add(FieldError.Invalid(path, value, $"{path} in body {detail}"));
    }

    private static void CheckNumber(ApiScalar value, SchemaConstraints limits, FieldPath path, List<FieldError> errors)
    {
        var number = value.AsDouble() ?? 0;
        if (limits.Minimum is { } min && (limits.ExclusiveMinimum ? number <= min : number < min))
        {
            Invalid(limits.ExclusiveMinimum ? $"should be greater than {Text(min)}" : $"should be greater than or equal to {Text(min)}");
        }

        if (limits.Maximum is { } max && (limits.ExclusiveMaximum ? number >= max : number > max))
        {
            Invalid(limits.ExclusiveMaximum ? $"should be less than {Text(max)}" : $"should be less than or equal to {Text(max)}");
        }

        if (limits.MultipleOf is { } factor && factor != 0 && Math.IEEERemainder(number, factor) != 0)
        {
            Invalid($"should be a multiple of {Text(factor)}");
        }

        void Invalid(string detail) => errors.Add(FieldError.Invalid(path, value, $"{path} in body {detail}"));
        static string Text(double d) => d.ToString("R", CultureInfo.InvariantCulture);
    }

    private static void CheckString(ApiScalar value, SchemaConstraints limits, FieldPath path, List<FieldError> errors)
    {
        if (limits.MinLength is not null || limits.MaxLength is not null)
        {
            var length = value.Text.EnumerateRunes().Count();
            if (length < limits.MinLength)
            {
                errors.Add(FieldError.Invalid(path, value, $"{path} in body should be at least {limits.MinLength} chars long"));
            }

            if (length > limits.MaxLength)
            {
                errors.Add(FieldError.TooLong(path, (int)limits.MaxLength));
            }
        }

        if (!limits.MatchesPattern(value.Text))
        {
            errors.Add(FieldError.Invalid(path, value, $"{path} in body should match '{limits.Pattern}'"));
        }

        if (limits.Format is { } format && !HasFormat(value.Text, format))
        {
            errors.Add(FieldError.Invalid(path, value, $"{path} in body must be of type {format}: \"{value.Text}\""));
        }
    }

    private static void CheckCombinations(ApiNode value, SchemaConstraints limits, FieldPath path, List<FieldError> errors)
    {
        foreach (var all in limits.AllOf)
        {
            Check(value, all, path, errors);
        }

        if (limits.AnyOf.Count > 0 && !limits.AnyOf.Any(Fits))
        {
            errors.Add(FieldError.Invalid(path, value, $"\"{path}\" must validate at least one schema (anyOf)"));
        }

        if (limits.OneOf.Count > 0)
        {
            var count = limits.OneOf.Count(Fits);
            if (count != 1)
            {
                var found = count == 0 ? "Found none valid" : $"Found {count} valid alternatives";
                errors.Add(FieldError.Invalid(path, value, $"\"{path}\" must validate one and only one schema (oneOf). {found}"));
            }
        }

        if (limits.Not is { } not && Fits(not))
        {
            errors.Add(FieldError.Invalid(path, value, $"\"{path}\" must not validate the schema (not)"));
        }

        bool Fits(SchemaNode schema)
        {
            var found = new List<FieldError>();
            Check(value, schema, path, found);
            return found.Count == 0;
        }
    }

    private static bool IsOfType(ApiNode value, SchemaKind kind) => kind switch
    {
        SchemaKind.Object or SchemaKind.Map => value.Kind == JsonValueKind.Object,
        SchemaKind.List => value.Kind == JsonValueKind.Array,
        SchemaKind.String or SchemaKind.Time or SchemaKind.MicroTime or SchemaKind.Duration or SchemaKind.Bytes => value.Kind == JsonValueKind.String,
        SchemaKind.Boolean => value.Kind is JsonValueKind.True or JsonValueKind.False,
        SchemaKind.Int32 => value.AsInt32() is not null,
        SchemaKind.Int64 => value.AsInt64() is not null,
        SchemaKind.Integer => value.Kind == JsonValueKind.Number && value.AsDouble() is { } d && Math.Floor(d) == d,
        SchemaKind.Number => value.Kind == JsonValueKind.Number,
        SchemaKind.IntOrString => value.Kind == JsonValueKind.String || value.AsInt64() is not null,
        _ => true,
    };

    private static string TypeName(SchemaKind kind) => kind switch
    {
        SchemaKind.Object or SchemaKind.Map => "object",
        SchemaKind.List => "array",
        SchemaKind.Boolean => "boolean",
        SchemaKind.Int32 => "int32",
        SchemaKind.Int64 => "int64",
        SchemaKind.Integer => "integer",
        SchemaKind.Number => "number",
        SchemaKind.IntOrString => "integer,string",
        _ => "string",
    };

    private static string TypeName(ApiNode value) => value.Kind switch
    {
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.Number => value.AsInt64() is null ? "number" : "integer",
        _ => "null",
    };

    /// <summary>The formats that Kubernetes enforces; others only inform.</summary>
    private static bool HasFormat(string text, string format) => format switch
    {
        "date-time" or "datetime" => KubernetesTime.TryParse(text, out _),
        "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
        "uuid" or "uuid3" or "uuid4" or "uuid5" => Guid.TryParseExact(text, "D", out _) || Guid.TryParseExact(text, "N", out _),
        "ipv4" => IPAddress.TryParse(text, out var v4) && v4.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork && text.Count(c => c == '.') == 3,
        "ipv6" => IPAddress.TryParse(text, out var v6) && v6.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6,
        "cidr" => IPNetwork.TryParse(text, out _),
        "uri" => Uri.TryCreate(text, UriKind.Absolute, out _),
        "hostname" => NameRules.Dns1123Subdomain(text.TrimEnd('.')).Count == 0,
        "byte" => System.Buffers.Text.Base64.IsValid(text),
        "email" => text.IndexOf('@', StringComparison.Ordinal) is > 0 and var at && at < text.Length - 1,
        "duration" => GoDuration.TryParse(text, out _),
        _ => true,
    };
}
