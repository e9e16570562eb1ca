using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of volumes, claims and storage classes.</summary>
internal static class StorageValidation
{
    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    public static void Claim(ApiDocument claim, List<FieldError> errors)
    {
        var spec = claim.Spec ?? [];
        RequireAccessModes(spec, "at least 1 access mode is required", errors);
        Checks.ValidateLabelSelector(spec.GetObject("selector"), SpecPath.Child("selector"), errors);
        var size = spec.Find("resources", "requests", "storage")?.AsString();
        var path = SpecPath.Child("resources").Key("storage");
        if (size is null)
        {
            errors.Add(FieldError.Required(path));
        }
        else if (Quantity.TryParse(size, out var amount) && amount <= 0)
        {
            errors.Add(FieldError.Invalid(path, size, "must be greater than zero"));
        }

        if (spec.GetString("storageClassName") is { Length: > 0 } storageClass)
        {
            MetadataValidation.Report(NameRules.Dns1123Subdomain(storageClass), SpecPath.Child("storageClassName"), storageClass, errors);
        }
    }

    public static void Volume(ApiDocument volume, List<FieldError> errors)
    {
        var spec = volume.Spec ?? [];
        RequireAccessModes(spec, "", errors);
        if (spec.GetObject("capacity") is not { Count: > 0 } capacity)
        {
            errors.Add(FieldError.Required(SpecPath.Child("capacity")));
        }
        else
        {
            foreach (var (name, value) in capacity)
            {
                if (name != "storage")
                {
                    errors.Add(FieldError.NotSupported(SpecPath.Child("capacity"), capacity, "storage"));
                }
                else if (Quantity.TryParse(value.AsString() ?? "", out var amount) && amount <= 0)
                {
                    errors.Add(FieldError.Invalid(SpecPath.Child("capacity").Key(name), value, "must be greater than zero"));
                }
            }
        }

        var sources = spec.Names.ToArray().Where(n => n is not ("capacity" or "claimRef" or "nodeAffinity") && spec[n] is ApiObject).ToList();
        if (sources.Count == 0)
        {
            errors.Add(FieldError.Required(SpecPath, "must specify a volume type"));
        }

        foreach (var extra in sources.Skip(1))
        {
            errors.Add(FieldError.Forbidden(SpecPath.Child(extra), "may not specify more than 1 volume type"));
        }

        if (spec["local"] is not null && spec.Find("nodeAffinity", "required") is null)
        {
            errors.Add(FieldError.Required(SpecPath.Child("nodeAffinity"), "Local volume requires node affinity"));
        }
    }

    public static void StorageClass(ApiDocument storageClass, List<FieldError> errors)
    {
        if (Checks.RequireString(storageClass.Root, "provisioner", FieldPath.Root, errors))
        {
            var provisioner = storageClass["provisioner"]!.AsString()!;
#pragma warning disable CA1308
            MetadataValidation.Report(NameRules.QualifiedName(provisioner.ToLowerInvariant()), FieldPath.Of("provisioner"), provisioner, errors);
#pragma warning restore CA1308
        }
    }

    /// <summary>A bound claim may grow and change its attributes class, nothing else.</summary>
    public static void UpdateClaim(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        var before = existing.Spec?.Clone() ?? [];
        var after = updated.Spec?.Clone() ?? [];
        var oldSize = before.Find("resources", "requests", "storage")?.AsString();
        var newSize = after.Find("resources", "requests", "storage")?.AsString();
        before.Remove("volumeAttributesClassName");
        after.Remove("volumeAttributesClassName");
        if (existing.Find("status", "phase")?.AsString() == "Bound" || before["volumeName"] is not null)
        {
            before.Remove("resources");
            after.Remove("resources");
            if (oldSize is not null && newSize is not null && new Quantity(newSize) < new Quantity(oldSize))
            {
                errors.Add(FieldError.Forbidden(SpecPath.Child("resources", "requests").Child("storage"), "field can not be less than status.capacity"));
            }
        }

        // The binder sets the volume's name once; a retroactive default class may be set once.
        foreach (var once in (ReadOnlySpan<string>)["volumeName", "storageClassName"])
        {
            if (before[once] is null)
            {
                after.Remove(once);
            }
        }

        if (!ApiNode.DeepEquals(before, after))
        {
            errors.Add(FieldError.Forbidden(
                SpecPath,
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"));
        }
    }

    private static void RequireAccessModes(ApiObject spec, string detail, List<FieldError> errors)
    {
        if (spec.GetArray("accessModes") is not { Count: > 0 } modes)
        {
            errors.Add(FieldError.Required(SpecPath.Child("accessModes"), detail));
        }
        else if (modes.Count > 1 && modes.Strings.Contains("ReadWriteOncePod"))
        {
            errors.Add(FieldError.Forbidden(SpecPath.Child("accessModes"), "may not use ReadWriteOncePod with other access modes"));
        }
    }
}
