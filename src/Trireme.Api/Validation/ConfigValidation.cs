using System.Text;
using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of ConfigMaps and Secrets.</summary>
internal static class ConfigValidation
{
    private const int MaxBytes = 1024 * 1024;

    public static void ConfigMap(ApiDocument map, List<FieldError> errors)
    {
        var data = map["data"]?.AsObject();
        var binary = map["binaryData"]?.AsObject();
        var total = 0L;
        foreach (var (key, value) in data ?? [])
        {
            MetadataValidation.Report(NameRules.ConfigMapKey(key), FieldPath.Of("data").Key(key), key, errors);
            if (binary?.ContainsKey(key) == true)
            {
                errors.Add(FieldError.Invalid(FieldPath.Of("data").Key(key), key, "duplicate of key present in binaryData"));
            }

            total += Encoding.UTF8.GetByteCount(value.AsString() ?? "");
        }

        foreach (var (key, value) in binary ?? [])
        {
            MetadataValidation.Report(NameRules.ConfigMapKey(key), FieldPath.Of("binaryData").Key(key), key, errors);
            total += DecodedLength(value.AsString() ?? "");
        }

        if (total > MaxBytes)
        {
            // The whole object is too long: Kubernetes names no field.
            errors.Add(FieldError.TooLong(FieldPath.Of(""), MaxBytes));
        }
    }

    public static void Secret(ApiDocument secret, List<FieldError> errors)
    {
        var data = secret["data"]?.AsObject();
        var path = FieldPath.Of("data");
        var total = 0L;
        foreach (var (key, value) in data ?? [])
        {
            MetadataValidation.Report(NameRules.ConfigMapKey(key), path.Key(key), key, errors);
            total += DecodedLength(value.AsString() ?? "");
        }

        if (total > MaxBytes)
        {
            errors.Add(FieldError.TooLong(path, MaxBytes));
        }

        switch (secret["type"]?.AsString())
        {
            case "kubernetes.io/service-account-token":
                if (string.IsNullOrEmpty(secret.Metadata.GetAnnotation("kubernetes.io/service-account.name")))
                {
                    errors.Add(FieldError.Required(FieldPath.Of("metadata", "annotations").Key("kubernetes.io/service-account.name")));
                }

                break;
            case "kubernetes.io/dockerconfigjson":
                RequireJson(data, ".dockerconfigjson", path, errors);
                break;
            case "kubernetes.io/dockercfg":
                RequireJson(data, ".dockercfg", path, errors);
                break;
            case "kubernetes.io/basic-auth":
                if (data?["username"] is null && data?["password"] is null)
                {
                    errors.Add(FieldError.Required(path.Key("username")));
                    errors.Add(FieldError.Required(path.Key("password")));
                }

                break;
            case "kubernetes.io/ssh-auth":
                RequireKey(data, "ssh-privatekey", path, errors);
                break;
            case "kubernetes.io/tls":
                RequireKey(data, "tls.crt", path, errors);
                RequireKey(data, "tls.key", path, errors);
                break;
        }
    }

    /// <summary>What <c>immutable: true</c> forbids.</summary>
    public static void Update(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        if (existing["immutable"]?.AsBoolean() != true)
        {
            return;
        }

        if (updated["immutable"]?.AsBoolean() != true)
        {
            errors.Add(FieldError.Forbidden(FieldPath.Of("immutable"), "field is immutable when `immutable` is set"));
        }

        foreach (var field in (ReadOnlySpan<string>)["data", "binaryData"])
        {
            if (!ApiNode.DeepEquals(updated[field], existing[field]))
            {
                errors.Add(FieldError.Forbidden(FieldPath.Of(field), "field is immutable when `immutable` is set"));
            }
        }
    }

    private static long DecodedLength(string base64) => base64.Length / 4L * 3 - (base64.EndsWith("==", StringComparison.Ordinal) ? 2 : base64.EndsWith('=') ? 1 : 0);

    private static void RequireKey(ApiObject? data, string key, FieldPath path, List<FieldError> errors)
    {
        if (data?[key] is null)
        {
            errors.Add(FieldError.Required(path.Key(key)));
        }
    }

    private static void RequireJson(ApiObject? data, string key, FieldPath path, List<FieldError> errors)
    {
        if (data?.GetString(key) is not { } encoded)
        {
            errors.Add(FieldError.Required(path.Key(key)));
            return;
        }

        try
        {
            ApiNode.Parse(Convert.FromBase64String(encoded));
        }
        catch (FormatException e)
        {
            errors.Add(FieldError.Invalid(path.Key(key), "<secret contents redacted>", e.Message));
        }
    }
}
