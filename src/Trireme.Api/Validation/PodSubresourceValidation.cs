using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>What the subresources of a pod may change in its spec: <c>ephemeralcontainers</c> adds, <c>resize</c> changes cpu and memory.</summary>
internal static class PodSubresourceValidation
{
    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    public static void Validate(ApiDocument updated, ApiDocument existing, string subresource, List<FieldError> errors)
    {
        switch (subresource)
        {
            case "ephemeralcontainers":
                CheckEphemeralContainers(updated, existing, errors);
                break;
            case "resize":
                CheckResize(updated.Spec?.GetArray("containers"), existing.Spec?.GetArray("containers"), SpecPath.Child("containers"), errors);
                CheckResize(updated.Spec?.GetArray("initContainers"), existing.Spec?.GetArray("initContainers"), SpecPath.Child("initContainers"), errors);
                break;
            default:
                return;
        }

        // What is wrong with the stored pod already is not for this request to mend.
        List<FieldError> before = [];
        List<FieldError> now = [];
        PodValidation.Validate(existing, before);
        PodValidation.Validate(updated, now);
        errors.AddRange(now.Except(before));
    }

    private static void CheckEphemeralContainers(ApiDocument updated, ApiDocument existing, List<FieldError> errors)
    {
        var path = SpecPath.Child("ephemeralContainers");
        foreach (var container in existing.Spec?.GetArray("ephemeralContainers")?.Objects ?? [])
        {
            var name = container.GetString("name");
            var now = updated.Spec?.GetArray("ephemeralContainers")?.Objects.FirstOrDefault(c => c.GetString("name") == name);
            if (now is null)
            {
                errors.Add(FieldError.Forbidden(path, $"existing ephemeral containers \"{name}\" may not be removed\n"));
            }
            else if (!ApiNode.DeepEquals(now, container))
            {
                errors.Add(FieldError.Forbidden(path, $"existing ephemeral containers \"{name}\" may not be changed\n"));
            }
        }
    }

    private static void CheckResize(ApiArray? updated, ApiArray? existing, FieldPath path, List<FieldError> errors)
    {
        var index = 0;
        foreach (var container in updated?.Objects ?? [])
        {
            var at = path.Index(index++).Child("resources");
            var name = container.GetString("name");
            var before = existing?.Objects.FirstOrDefault(c => c.GetString("name") == name);
            if (!ApiNode.DeepEquals(OtherResources(container), OtherResources(before)))
            {
                errors.Add(FieldError.Forbidden(at, "only cpu and memory resources are mutable"));
            }
        }
    }

    private static ApiObject OtherResources(ApiObject? container)
    {
        var resources = container?.GetObject("resources")?.Clone() ?? [];
        foreach (var list in (ReadOnlySpan<string>)["requests", "limits"])
        {
            var amounts = resources.GetObject(list);
            amounts?.Remove("cpu");
            amounts?.Remove("memory");
            if (amounts is { Count: 0 })
            {
                resources.Remove(list);
            }
        }

        return resources;
    }
}
