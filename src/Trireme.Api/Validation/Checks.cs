using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Small checks that many kinds share.</summary>
internal static class Checks
{
    public const string NotNegative = "must be greater than or equal to 0";
    public const string Immutable = "field is immutable";

    public static void RequireNotNegative(ApiObject owner, string field, FieldPath path, List<FieldError> errors)
    {
        if (owner.GetInt64(field) is { } value && value < 0)
        {
            errors.Add(FieldError.Invalid(path.Child(field), value, NotNegative));
        }
    }

    public static void RequirePositive(ApiObject owner, string field, FieldPath path, List<FieldError> errors)
    {
        if (owner.GetInt64(field) is { } value && value <= 0)
        {
            errors.Add(FieldError.Invalid(path.Child(field), value, "must be greater than 0"));
        }
    }

    /// <summary>A string field that must be there and not empty.</summary>
    public static bool RequireString(ApiObject owner, string field, FieldPath path, List<FieldError> errors, string detail = "")
    {
        if (!string.IsNullOrEmpty(owner.GetString(field)))
        {
            return true;
        }

        errors.Add(FieldError.Required(path.Child(field), detail));
        return false;
    }

    /// <summary>A port number that must be there and in range.</summary>
    public static void RequirePort(ApiObject owner, string field, FieldPath path, List<FieldError> errors)
    {
        if (owner.GetInt64(field) is not { } port || port == 0)
        {
            errors.Add(FieldError.Required(path.Child(field)));
        }
        else
        {
            MetadataValidation.Report(NameRules.PortNumber(port), path.Child(field), port, errors);
        }
    }

    /// <summary>A port by number or name.</summary>
    public static void ValidatePortOrName(ApiNode? port, FieldPath path, List<FieldError> errors)
    {
        if (port?.AsString() is { } name)
        {
            MetadataValidation.Report(NameRules.PortName(name), path, name, errors);
        }
        else
        {
            MetadataValidation.Report(NameRules.PortNumber(port?.AsInt64() ?? 0), path, port ?? 0, errors);
        }
    }

    /// <summary>A count or a percentage; not negative.</summary>
    public static void ValidateCountOrPercent(ApiNode? value, FieldPath path, List<FieldError> errors, bool capAtHundred = false)
    {
        if (value?.AsString() is { } text)
        {
            if (!text.EndsWith('%') || !int.TryParse(text.AsSpan(0, text.Length - 1), out var percent) || percent < 0)
            {
                errors.Add(FieldError.Invalid(path, value, "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"));
            }
            else if (capAtHundred && percent > 100)
            {
                errors.Add(FieldError.Invalid(path, value, "must not be greater than 100%"));
            }
        }
        else if (value?.AsInt64() is < 0)
        {
            errors.Add(FieldError.Invalid(path, value, NotNegative));
        }
    }

    /// <summary>Whether a count or percentage is nothing at all.</summary>
    public static bool IsZero(ApiNode? value) => value?.AsInt64() == 0 || value?.AsString() is "0%" or "0";

    /// <summary>A LabelSelector object.</summary>
    public static void ValidateLabelSelector(ApiObject? selector, FieldPath path, List<FieldError> errors)
    {
        if (selector is null)
        {
            return;
        }

        MetadataValidation.ValidateLabels(selector.GetObject("matchLabels"), path.Child("matchLabels"), errors);
        var index = 0;
        foreach (var expression in selector.GetArray("matchExpressions")?.Objects ?? [])
        {
            var at = path.Child("matchExpressions").Index(index++);
            var values = expression.GetArray("values");
            switch (expression.GetString("operator"))
            {
                case "In" or "NotIn":
                    if (values is not { Count: > 0 })
                    {
                        errors.Add(FieldError.Required(at.Child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
                    }

                    break;
                case "Exists" or "DoesNotExist":
                    if (values is { Count: > 0 })
                    {
                        errors.Add(FieldError.Forbidden(at.Child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
                    }

                    break;
                case var other:
                    errors.Add(FieldError.Invalid(at.Child("operator"), other ?? "", "not a valid selector operator"));
                    break;
            }

            var key = expression.GetString("key") ?? "";
            MetadataValidation.Report(NameRules.QualifiedName(key), at.Child("key"), key, errors);
            var valueIndex = 0;
            foreach (var value in values?.Strings ?? [])
            {
                MetadataValidation.Report(NameRules.LabelValue(value), at.Child("values").Index(valueIndex++), value, errors);
            }
        }
    }

    /// <summary>Demands that a field has not changed: <c>field is immutable</c>.</summary>
    public static void RequireUnchanged(ApiNode? updated, ApiNode? existing, FieldPath path, List<FieldError> errors)
    {
        if (!ApiNode.DeepEquals(updated, existing))
        {
            errors.Add(FieldError.Invalid(path, updated ?? ApiScalar.Null, Immutable));
        }
    }
}
