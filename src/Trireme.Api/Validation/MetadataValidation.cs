using System.Text;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Validation;

/// <summary>What holds for the metadata of every object.</summary>
internal static class MetadataValidation
{
    private const int AnnotationsMaxBytes = 256 * 1024;

    private static readonly FieldPath Path = FieldPath.Of("metadata");

    public static void Validate(ApiDocument document, ResourceDefinition resource, List<FieldError> errors)
    {
        var metadata = document.Metadata;
        if (metadata.GenerateName is { Length: > 0 } prefix)
        {
            // What the generated name will end with is not known yet, so a trailing dash is no error.
            Report(NamesOf(resource, prefix.TrimEnd('-', '.') is { Length: > 0 } stem ? stem : "a"), Path.Child("generateName"), prefix, errors);
        }

        if (metadata.Name is { Length: > 0 } name)
        {
            Report(NamesOf(resource, name), Path.Child("name"), name, errors);
        }
        else
        {
            errors.Add(FieldError.Required(Path.Child("name"), "name or generateName is required"));
        }

        if (resource.Namespaced)
        {
            if (metadata.Namespace is not { Length: > 0 } ns)
            {
                errors.Add(FieldError.Required(Path.Child("namespace")));
            }
            else
            {
                Report(NameRules.Dns1123Label(ns), Path.Child("namespace"), ns, errors);
            }
        }
        else if (metadata.Namespace is { Length: > 0 })
        {
            errors.Add(FieldError.Forbidden(Path.Child("namespace"), "not allowed on this type"));
        }

        ValidateLabels(metadata.Labels, Path.Child("labels"), errors);
        ValidateAnnotations(metadata.Annotations, Path.Child("annotations"), errors);
        ValidateOwners(metadata.OwnerReferences, Path.Child("ownerReferences"), errors);
        ValidateFinalizers(metadata.Finalizers, resource, Path.Child("finalizers"), errors);
    }

    public static void ValidateUpdate(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        var metadata = updated.Metadata;
        Immutable(metadata.Node, existing.Metadata.Node, "name", errors);
        Immutable(metadata.Node, existing.Metadata.Node, "namespace", errors);
        Immutable(metadata.Node, existing.Metadata.Node, "uid", errors);
        Immutable(metadata.Node, existing.Metadata.Node, "creationTimestamp", errors);
        Immutable(metadata.Node, existing.Metadata.Node, "deletionTimestamp", errors);
        Immutable(metadata.Node, existing.Metadata.Node, "deletionGracePeriodSeconds", errors);
        if (metadata.Generation != 0 && metadata.Generation < existing.Metadata.Generation)
        {
            errors.Add(FieldError.Invalid(Path.Child("generation"), metadata.Generation, "must not be decremented"));
        }

        if (existing.Metadata.IsTerminating)
        {
            var added = metadata.Finalizers.Except(existing.Metadata.Finalizers, StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
            if (added.Count > 0)
            {
                errors.Add(FieldError.Forbidden(
                    Path.Child("finalizers"),
                    $"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{string.Join(", ", added.Select(f => $"\"{f}\""))}}}"));
            }
        }
    }

    public static void ValidateLabels(ApiObject? labels, FieldPath path, List<FieldError> errors)
    {
        if (labels is null)
        {
            return;
        }

        foreach (var (key, value) in labels)
        {
            Report(NameRules.QualifiedName(key), path, key, errors);
            var text = value.AsString() ?? "";
            Report(NameRules.LabelValue(text), path, text, errors);
        }
    }

    public static void ValidateAnnotations(ApiObject? annotations, FieldPath path, List<FieldError> errors)
    {
        if (annotations is null)
        {
            return;
        }

        var total = 0L;
        foreach (var (key, value) in annotations)
        {
            // Annotation keys are compared without case.
#pragma warning disable CA1308
            Report(NameRules.QualifiedName(key.ToLowerInvariant()), path, key, errors);
#pragma warning restore CA1308
            total += Encoding.UTF8.GetByteCount(key) + Encoding.UTF8.GetByteCount(value.AsString() ?? "");
        }

        if (total > AnnotationsMaxBytes)
        {
            errors.Add(FieldError.TooLong(path, AnnotationsMaxBytes));
        }
    }

    /// <summary>Adds one <c>Invalid value</c> per problem.</summary>
    internal static void Report(IReadOnlyList<string> problems, FieldPath path, ApiNode value, List<FieldError> errors)
    {
        foreach (var problem in problems)
        {
            errors.Add(FieldError.Invalid(path, value, problem));
        }
    }

    private static IReadOnlyList<string> NamesOf(ResourceDefinition resource, string name) => (resource.Group, resource.Kind) switch
    {
        ("", "Service") => NameRules.Dns1035Label(name),
        ("", "Namespace") => NameRules.Dns1123Label(name),
        ("rbac.authorization.k8s.io", _) or ("certificates.k8s.io", _) or ("apiregistration.k8s.io", _) => NameRules.PathSegmentName(name),
        ("batch", "CronJob") when name.Length > 52 => [NameRules.MaxLength(52)],
        ("networking.k8s.io", "IPAddress") => AddressRules.TryParse(name, out var address) && address.ToString() == name ? [] : ["must be a valid IP address in canonical form"],
        _ => NameRules.Dns1123Subdomain(name),
    };

    private static void ValidateOwners(ApiArray? owners, FieldPath path, List<FieldError> errors)
    {
        if (owners is null)
        {
            return;
        }

        var controllers = new List<string>();
        foreach (var owner in owners.Objects)
        {
            if ((owner.GetString("apiVersion") ?? "").Split('/') is not ([{ Length: > 0 }] or [_, { Length: > 0 }]))
            {
                errors.Add(FieldError.Invalid(path.Child("apiVersion"), owner.GetString("apiVersion") ?? "", "version must not be empty"));
            }

            Demand(owner, "kind", "must not be empty");
            Demand(owner, "name", "must not be empty");
            Demand(owner, "uid", "must not be empty");
            if (owner.GetString("kind") == "Event" && owner.GetString("apiVersion") is "v1" or "events.k8s.io/v1")
            {
                errors.Add(FieldError.Invalid(path, owner, $"{owner.GetString("apiVersion")}, Kind=Event is disallowed from being an owner"));
            }

            if (owner.GetBoolean("controller") == true)
            {
                controllers.Add($"{owner.GetString("kind")}/{owner.GetString("name")}");
            }
        }

        if (controllers.Count > 1)
        {
            errors.Add(FieldError.Invalid(
                path,
                owners,
                $"Only one reference can have Controller set to true. Found \"true\" in references for {controllers[0]} and {controllers[1]}"));
        }

        void Demand(ApiObject owner, string field, string detail)
        {
            if (string.IsNullOrEmpty(owner.GetString(field)))
            {
                errors.Add(FieldError.Invalid(path.Child(field), ApiScalar.EmptyString, detail));
            }
        }
    }

    private static void ValidateFinalizers(IReadOnlyList<string> finalizers, ResourceDefinition resource, FieldPath path, List<FieldError> errors)
    {
        foreach (var finalizer in finalizers)
        {
            Report(NameRules.QualifiedName(finalizer), path, finalizer, errors);

            // Definitions and custom resources may have finalizers without a domain, the first of them its own: customresourcecleanup.
            if (!resource.IsCustom && resource.Group != "apiextensions.k8s.io" && !finalizer.Contains('/', StringComparison.Ordinal)
                && finalizer is not ("kubernetes" or "orphan" or "foregroundDeletion"))
            {
                errors.Add(FieldError.Invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified"));
            }
        }

        if (finalizers.Contains("orphan") && finalizers.Contains("foregroundDeletion"))
        {
            errors.Add(FieldError.Invalid(path, ApiArray.OfStrings(finalizers), "finalizer orphan and foregroundDeletion cannot be both set"));
        }
    }

    private static void Immutable(ApiObject? updated, ApiObject? existing, string field, List<FieldError> errors)
    {
        // A client need not repeat what it cannot change.
        if (updated?[field] is { } value && !ApiNode.DeepEquals(value, existing?[field]))
        {
            errors.Add(FieldError.Invalid(Path.Child(field), value, "field is immutable"));
        }
    }
}
