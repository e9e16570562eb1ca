using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of resource amounts: names, signs, requests within limits.</summary>
internal static class ResourceValidation
{
    public static void ValidateRequirements(ApiObject? resources, FieldPath path, List<FieldError> errors)
    {
        if (resources is null)
        {
            return;
        }

        var limits = resources.GetObject("limits");
        var requests = resources.GetObject("requests");
        ValidateAmounts(limits, path.Child("limits"), errors);
        ValidateAmounts(requests, path.Child("requests"), errors);
        foreach (var (name, value) in requests ?? [])
        {
            if (limits?.GetString(name) is not { } limitText || value.AsString() is not { } requestText
                || !Quantity.TryParse(limitText, out var limit) || !Quantity.TryParse(requestText, out var request))
            {
                if (limits?[name] is null && !IsOvercommitAllowed(name))
                {
                    errors.Add(FieldError.Required(path.Child("limits"), "Limit must be set for non overcommitable resources"));
                }

                continue;
            }

            if (!IsOvercommitAllowed(name) && request != limit)
            {
                errors.Add(FieldError.Invalid(path.Child("requests"), value, $"must be equal to {name} limit of {limitText}"));
            }
            else if (request > limit)
            {
                errors.Add(FieldError.Invalid(path.Child("requests"), value, $"must be less than or equal to {name} limit of {limitText}"));
            }
        }
    }

    public static void ValidateAmounts(ApiObject? amounts, FieldPath path, List<FieldError> errors, bool standardOnly = true)
    {
        foreach (var (name, value) in amounts ?? [])
        {
            var at = path.Key(name);
            var problems = NameRules.QualifiedName(name);
            MetadataValidation.Report(problems, path, name, errors);
            if (problems.Count == 0 && standardOnly && !name.Contains('/', StringComparison.Ordinal) && !IsStandard(name))
            {
                errors.Add(FieldError.Invalid(path, name, "must be a standard resource type or fully qualified"));
                errors.Add(FieldError.Invalid(path, name, "must be a standard resource for containers"));
            }

            if (Quantity.TryParse(value.AsString() ?? "", out var amount))
            {
                if (amount < 0)
                {
                    errors.Add(FieldError.Invalid(at, value, Checks.NotNegative));
                }
                else if (!IsFractional(name) && decimal.Truncate(amount) != amount)
                {
                    errors.Add(FieldError.Invalid(at, value, "must be an integer"));
                }
            }
        }
    }

    private static bool IsStandard(string name) =>
        name is "cpu" or "memory" or "ephemeral-storage" || name.StartsWith("hugepages-", StringComparison.Ordinal);

    /// <summary>Parts make sense for what is measured, not for pieces of hardware.</summary>
    private static bool IsFractional(string name) => !name.Contains('/', StringComparison.Ordinal) || name.Contains("kubernetes.io/", StringComparison.Ordinal);

    private static bool IsOvercommitAllowed(string name) =>
        (!name.Contains('/', StringComparison.Ordinal) && !name.StartsWith("hugepages-", StringComparison.Ordinal)) || name.Contains("kubernetes.io/", StringComparison.Ordinal);
}
