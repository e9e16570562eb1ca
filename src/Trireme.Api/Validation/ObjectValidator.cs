using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Validation;

/// <summary>A check of one kind's objects beyond what its schema says.</summary>
internal delegate void KindRule(ApiDocument document, List<FieldError> errors);

/// <summary>A check of what an update changed.</summary>
internal delegate void KindUpdateRule(ApiDocument updated, ApiDocument existing, List<FieldError> errors);

/// <summary>
/// Validation of whole objects: metadata, the structural schema of custom resources, closed sets of values, and the rules of each built-in kind. Works on
/// decoded, defaulted objects. An empty list means valid.
/// </summary>
public static class ObjectValidator
{
    private static readonly Dictionary<GroupKind, KindRule> Rules = KindRules.Build();
    private static readonly Dictionary<GroupKind, KindUpdateRule> UpdateRules = UpdateValidation.Build();

    /// <summary>What is wrong with an object that is to be created; it has its name and namespace already.</summary>
    public static IReadOnlyList<FieldError> ValidateCreate(ApiDocument document, ResourceDefinition resource)
    {
        var errors = new List<FieldError>();
        Validate(document, resource, errors);
        if (resource is { Group: "", Kind: "Pod" })
        {
            PodValidation.ValidateCreate(document, errors);
        }

        return errors;
    }

    /// <summary>What is wrong with an object that is to replace another.</summary>
    /// <param name="updated">The new object.</param>
    /// <param name="existing">The stored object.</param>
    /// <param name="resource">Their resource.</param>
    /// <param name="subresource">The subresource that is written, if any: through <c>status</c> and others only what holds for every write is checked,
    /// since the rest of the object comes from the stored one; and that part of a pod's spec which a subresource changes.</param>
    public static IReadOnlyList<FieldError> ValidateUpdate(ApiDocument updated, ApiDocument existing, ResourceDefinition resource, string? subresource = null)
    {
        var errors = new List<FieldError>();
        MetadataValidation.ValidateUpdate(updated, existing, errors);
        if (subresource is null)
        {
            Validate(updated, resource, errors);
            if (UpdateRules.TryGetValue(resource.GroupKind, out var rule))
            {
                rule(updated, existing, errors);
            }
        }
        else if (resource is { Group: "", Kind: "Pod" })
        {
            PodSubresourceValidation.Validate(updated, existing, subresource, errors);
        }
        else if (resource.IsCustom)
        {
            StructuralValidator.Check(updated.Root, resource.Schema.Root, FieldPath.Root, errors);
        }

        return errors;
    }

    private static void Validate(ApiDocument document, ResourceDefinition resource, List<FieldError> errors)
    {
        MetadataValidation.Validate(document, resource, errors);
        if (resource.IsCustom)
        {
            StructuralValidator.Check(document.Root, resource.Schema.Root, FieldPath.Root, errors);
            return;
        }

        ClosedSets.Validate(document, resource.Schema.Root, errors);
        if (Rules.TryGetValue(resource.GroupKind, out var rule))
        {
            rule(document, errors);
        }
    }
}
