using System.Globalization;
using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Which nodes a pod asks for: the terms of node affinity.</summary>
internal static class NodeAffinityValidation
{
    public static void Validate(ApiObject affinity, FieldPath path, List<FieldError> errors)
    {
        if (affinity.GetObject("requiredDuringSchedulingIgnoredDuringExecution") is { } required)
        {
            var terms = path.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms");
            if (required.GetArray("nodeSelectorTerms") is not { Count: > 0 })
            {
                errors.Add(FieldError.Required(terms, "must have at least one node selector term"));
            }

            var index = 0;
            foreach (var term in required.GetArray("nodeSelectorTerms")?.Objects ?? [])
            {
                ValidateTerm(term, terms.Index(index++), errors);
            }
        }

        var preferred = 0;
        foreach (var weighted in affinity.GetArray("preferredDuringSchedulingIgnoredDuringExecution")?.Objects ?? [])
        {
            var at = path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(preferred++);
            if (weighted.GetInt64("weight") is not ({ } and >= 1 and <= 100))
            {
                errors.Add(FieldError.Invalid(at.Child("weight"), weighted["weight"] ?? 0, "must be in the range 1-100"));
            }

            ValidateTerm(weighted.GetObject("preference") ?? [], at.Child("preference"), errors);
        }
    }

    private static void ValidateTerm(ApiObject term, FieldPath path, List<FieldError> errors)
    {
        var index = 0;
        foreach (var expression in term.GetArray("matchExpressions")?.Objects ?? [])
        {
            var at = path.Child("matchExpressions").Index(index++);
            ValidateValues(expression, at, errors);
            var key = expression.GetString("key") ?? "";
            MetadataValidation.Report(NameRules.QualifiedName(key), at.Child("key"), key, errors);
        }

        index = 0;
        foreach (var field in term.GetArray("matchFields")?.Objects ?? [])
        {
            var at = path.Child("matchFields").Index(index++);
            if (field.GetString("key") != "metadata.name")
            {
                errors.Add(FieldError.Invalid(at.Child("key"), field.GetString("key") ?? "", "not a valid field selector key"));
            }

            if (field.GetArray("values") is not { Count: 1 })
            {
                errors.Add(FieldError.Required(at.Child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
            }
        }
    }

    private static void ValidateValues(ApiObject expression, FieldPath path, List<FieldError> errors)
    {
        var values = expression.GetArray("values");
        switch (expression.GetString("operator"))
        {
            case "In" or "NotIn" when values is not { Count: > 0 }:
                errors.Add(FieldError.Required(path.Child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
                break;
            case "Exists" or "DoesNotExist" when values is { Count: > 0 }:
                errors.Add(FieldError.Forbidden(path.Child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
                break;
            case "Gt" or "Lt" when values is not { Count: 1 }:
                errors.Add(FieldError.Required(path.Child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'"));
                break;
            case "Gt" or "Lt" when !long.TryParse(values![0].AsString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _):
                errors.Add(FieldError.Invalid(path.Child("values").Index(0), values[0], "for 'Gt', 'Lt' operators, the value must be an integer"));
                break;
        }
    }
}
