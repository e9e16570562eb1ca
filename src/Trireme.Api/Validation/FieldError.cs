using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>What is wrong with a field.</summary>
public enum FieldErrorType
{
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Internal,
    TypeInvalid,
}

/// <summary>One finding of validation, in the words of Kubernetes: <c>spec.containers[0].name: Required value</c>.</summary>
/// <param name="Type">What is wrong.</param>
/// <param name="Field">Path of the field, for example <c>spec.ports[0].port</c>.</param>
/// <param name="Body">The message without the path.</param>
public sealed record FieldError(FieldErrorType Type, string Field, string Body)
{
    public static FieldError Required(FieldPath field, string detail = "") => New(FieldErrorType.Required, field, "Required value", detail);

    /// <summary><c>Invalid value: "x": detail</c>.</summary>
    public static FieldError Invalid(FieldPath field, ApiNode? value, string detail) =>
        New(FieldErrorType.Invalid, field, $"Invalid value: {Print(value)}", detail);

    /// <summary>The value has the wrong JSON type.</summary>
    public static FieldError TypeInvalid(FieldPath field, ApiNode? value, string detail) =>
        New(FieldErrorType.TypeInvalid, field, $"Invalid value: {Print(value)}", detail);

    public static FieldError Duplicate(FieldPath field, ApiNode? value) => New(FieldErrorType.Duplicate, field, $"Duplicate value: {Print(value)}", "");

    public static FieldError NotFound(FieldPath field, ApiNode? value) => New(FieldErrorType.NotFound, field, $"Not found: {Print(value)}", "");

    /// <summary><c>Unsupported value: "x": supported values: "A", "B"</c>.</summary>
    public static FieldError NotSupported(FieldPath field, ApiNode? value, params IEnumerable<string> supported)
    {
        var values = string.Join(", ", supported.Where(s => s.Length > 0).Select(s => $"\"{s}\""));
        return New(FieldErrorType.NotSupported, field, $"Unsupported value: {Print(value)}", values.Length == 0 ? "" : $"supported values: {values}");
    }

    public static FieldError Forbidden(FieldPath field, string detail) => New(FieldErrorType.Forbidden, field, "Forbidden", detail);

    /// <summary>A string that is longer than <paramref name="maxBytes"/>.</summary>
    public static FieldError TooLong(FieldPath field, int maxBytes) =>
        New(FieldErrorType.TooLong, field, "Too long", $"may not be more than {maxBytes} bytes");

    /// <summary>A list with more elements than <paramref name="max"/>.</summary>
    public static FieldError TooMany(FieldPath field, int actual, int max) =>
        New(FieldErrorType.TooMany, field, $"Too many: {actual}", $"must have at most {max} {(max == 1 ? "item" : "items")}");

    public static FieldError Internal(FieldPath field, string detail) => New(FieldErrorType.Internal, field, "Internal error", detail);

    /// <summary>All findings in one line: one as it is, several in brackets, as Kubernetes prints its aggregates.</summary>
    public static string Aggregate(IReadOnlyCollection<FieldError> errors)
    {
        var texts = errors.Select(e => e.ToString()).Distinct(StringComparer.Ordinal).ToList();
        return texts.Count == 1 ? texts[0] : $"[{string.Join(", ", texts)}]";
    }

    public override string ToString() => $"{Field}: {Body}";

    private static FieldError New(FieldErrorType type, FieldPath field, string what, string detail) =>
        new(type, field.ToString(), detail.Length == 0 ? what : $"{what}: {detail}");

    /// <summary>Strings in quotes, all else as JSON; a missing value as Kubernetes prints nil.</summary>
    private static string Print(ApiNode? value) => value is null ? "null" : value.ToString();
}

/// <summary>Words for <see cref="FieldErrorType"/>.</summary>
public static class FieldErrorTypes
{
    /// <summary>Reason of the status cause.</summary>
    public static string Reason(this FieldErrorType type) => type switch
    {
        FieldErrorType.NotFound => "FieldValueNotFound",
        FieldErrorType.Required => "FieldValueRequired",
        FieldErrorType.Duplicate => "FieldValueDuplicate",
        FieldErrorType.NotSupported => "FieldValueNotSupported",
        FieldErrorType.Forbidden => "FieldValueForbidden",
        FieldErrorType.TooLong => "FieldValueTooLong",
        FieldErrorType.TooMany => "FieldValueTooMany",
        FieldErrorType.Internal => "InternalError",
        FieldErrorType.TypeInvalid => "FieldValueTypeInvalid",
        _ => "FieldValueInvalid",
    };
}
