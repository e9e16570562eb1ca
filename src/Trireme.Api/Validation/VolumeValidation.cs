using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of a pod's volumes.</summary>
internal static class VolumeValidation
{
    /// <summary>Checks the volumes and returns their names, which mounts refer to.</summary>
    public static HashSet<string> Validate(ApiArray? volumes, FieldPath path, List<FieldError> errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var volume in volumes?.Objects ?? [])
        {
            var at = path.Index(index++);
            if (Checks.RequireString(volume, "name", at, errors))
            {
                var name = volume.GetString("name")!;
                MetadataValidation.Report(NameRules.Dns1123Label(name), at.Child("name"), name, errors);
                if (!names.Add(name))
                {
                    errors.Add(FieldError.Duplicate(at.Child("name"), name));
                }
            }

            ValidateSource(volume, at, errors);
        }

        return names;
    }

    private static void ValidateSource(ApiObject volume, FieldPath path, List<FieldError> errors)
    {
        var sources = volume.Names.ToArray().Where(n => n != "name" && volume[n] is ApiObject).ToList();
        if (sources.Count == 0)
        {
            errors.Add(FieldError.Required(path, "must specify a volume type"));
            return;
        }

        foreach (var extra in sources.Skip(1))
        {
            errors.Add(FieldError.Forbidden(path.Child(extra), "may not specify more than 1 volume type"));
        }

        var source = volume.GetObject(sources[0])!;
        var at = path.Child(sources[0]);
        switch (sources[0])
        {
            case "hostPath":
                if (Checks.RequireString(source, "path", at, errors) && source.GetString("path")!.Split('/').Contains(".."))
                {
                    errors.Add(FieldError.Invalid(at.Child("path"), source["path"], "must not contain '..'"));
                }

                break;
            case "secret":
                Checks.RequireString(source, "secretName", at, errors);
                ValidateMode(source, at, errors);
                ValidateItems(source.GetArray("items"), at.Child("items"), errors);
                break;
            case "configMap":
                Checks.RequireString(source, "name", at, errors);
                ValidateMode(source, at, errors);
                ValidateItems(source.GetArray("items"), at.Child("items"), errors);
                break;
            case "persistentVolumeClaim":
                Checks.RequireString(source, "claimName", at, errors);
                break;
            case "nfs":
                Checks.RequireString(source, "server", at, errors);
                Checks.RequireString(source, "path", at, errors);
                break;
            case "csi":
                Checks.RequireString(source, "driver", at, errors);
                break;
            case "downwardAPI":
                ValidateMode(source, at, errors);
                break;
            case "emptyDir":
                if (source.GetString("sizeLimit") is { } limit && Quantity.TryParse(limit, out var size) && size < 0)
                {
                    errors.Add(FieldError.Forbidden(at.Child("sizeLimit"), "SizeLimit field must be a valid resource quantity"));
                }

                break;
            case "projected":
                ValidateProjected(source, at, errors);
                break;
        }
    }

    private static void ValidateProjected(ApiObject source, FieldPath path, List<FieldError> errors)
    {
        ValidateMode(source, path, errors);
        var index = 0;
        foreach (var projection in source.GetArray("sources")?.Objects ?? [])
        {
            var at = path.Child("sources").Index(index++);
            if (projection.Count > 1)
            {
                errors.Add(FieldError.Forbidden(at, "may not specify more than 1 volume type per source"));
            }
            else if (projection.Count == 0)
            {
                errors.Add(FieldError.Required(at, "must specify a volume type per source"));
            }

            foreach (var field in (ReadOnlySpan<string>)["secret", "configMap"])
            {
                if (projection.GetObject(field) is { } named)
                {
                    Checks.RequireString(named, "name", at.Child(field), errors);
                    ValidateItems(named.GetArray("items"), at.Child(field, "items"), errors);
                }
            }

            if (projection.GetObject("serviceAccountToken") is { } token)
            {
                if (token.GetInt64("expirationSeconds") is < 600)
                {
                    errors.Add(FieldError.Invalid(at.Child("serviceAccountToken", "expirationSeconds"), token["expirationSeconds"], "may not specify a duration less than 10 minutes"));
                }

                Checks.RequireString(token, "path", at.Child("serviceAccountToken"), errors);
            }
        }
    }

    private static void ValidateMode(ApiObject source, FieldPath path, List<FieldError> errors)
    {
        if (source.GetInt64("defaultMode") is { } mode and (< 0 or > 511))
        {
            errors.Add(FieldError.Invalid(path.Child("defaultMode"), mode, "must be a number between 0 and 0777 (octal), both inclusive"));
        }
    }

    private static void ValidateItems(ApiArray? items, FieldPath path, List<FieldError> errors)
    {
        var index = 0;
        foreach (var item in items?.Objects ?? [])
        {
            var at = path.Index(index++);
            Checks.RequireString(item, "key", at, errors);
            if (Checks.RequireString(item, "path", at, errors) && item.GetString("path") is { } target)
            {
                if (target.StartsWith('/'))
                {
                    errors.Add(FieldError.Invalid(at.Child("path"), target, "must be a relative path"));
                }

                if (target.Split('/').Contains(".."))
                {
                    errors.Add(FieldError.Invalid(at.Child("path"), target, "must not contain '..'"));
                }
            }
        }
    }
}
