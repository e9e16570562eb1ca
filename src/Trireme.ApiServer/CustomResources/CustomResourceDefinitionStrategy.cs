using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Registry;

namespace Trireme.ApiServer.CustomResources;

/// <summary>
/// Definitions of custom resources: names are accepted when no other definition has them, and the resource is then established at once.
/// </summary>
/// <remarks>A server that has not yet heard of a definition reads consistently before it answers that a resource is unknown.</remarks>
internal sealed class CustomResourceDefinitionStrategy(IResourceReader reader, TimeProvider time) : ResourceStrategy
{
    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        obj.Root.Remove("status");
        if (!obj.Metadata.Finalizers.Contains(CustomResourceDefinitions.CleanupFinalizer))
        {
            obj.Metadata.Finalizers = [.. obj.Metadata.Finalizers, CustomResourceDefinitions.CleanupFinalizer];
        }

        obj["status"] = Establish(obj, new ApiObject());
    }

    /// <inheritdoc/>
    public override void PrepareForUpdate(WriteRequest request, ApiDocument obj, ApiDocument old) =>
        obj["status"] = Establish(obj, old.Status?.Clone() ?? new ApiObject());

    private ApiObject Establish(ApiDocument obj, ApiObject status)
    {
        var spec = obj.Spec ?? new ApiObject();
        var conflict = FindConflict(obj, spec);
        var conditions = status.GetOrAddArray("conditions");
        SetCondition(
            conditions,
            "NamesAccepted",
            conflict is null,
            conflict is null ? "NoConflicts" : "KindConflict",
            conflict is null ? "no conflicts found" : $"\"{conflict}\" is already in use");
        if (conflict is null)
        {
            SetCondition(conditions, "Established", true, "InitialNamesAccepted", "the initial names have been accepted");
            status["acceptedNames"] = spec["names"]?.DeepClone();
        }
        else if (!conditions.Objects.Any(c => c.GetString("type") == "Established"))
        {
            SetCondition(conditions, "Established", false, "NotAccepted", "not all names are accepted");
            status["acceptedNames"] ??= ApiNode.Parse("""{"plural":"","kind":""}""");
        }

        var stored = status.GetOrAddArray("storedVersions");
        var storage = CustomResourceDefinitions.StorageVersion(spec);
        if (storage.Length > 0 && !stored.Strings.Contains(storage))
        {
            stored.Add(storage);
        }

        return status;
    }

    /// <summary>A name that another definition of the group has accepted already.</summary>
    private string? FindConflict(ApiDocument obj, ApiObject spec)
    {
        var mine = Names(spec).ToHashSet(StringComparer.Ordinal);
        foreach (var other in reader.List(CustomResourceDefinitions.Group, CustomResourceDefinitions.Plural))
        {
            if (other.Name == obj.Metadata.Name)
            {
                continue;
            }

            var definition = ApiDocument.Parse(other.Json.Span);
            if (definition.Spec is { } theirs && theirs.GetString("group") == spec.GetString("group")
                && Names(theirs).FirstOrDefault(mine.Contains) is { } taken)
            {
                return taken;
            }
        }

        return null;
    }

    private static IEnumerable<string> Names(ApiObject spec)
    {
        var names = spec.GetObject("names") ?? new ApiObject();
        return ((string?[])[names.GetString("plural"), names.GetString("singular"), names.GetString("kind"), names.GetString("listKind")])
            .Concat(names.GetArray("shortNames")?.Strings ?? [])
            .OfType<string>()
            .Where(n => n.Length > 0);
    }

    private void SetCondition(ApiArray conditions, string type, bool holds, string reason, string message)
    {
        var condition = conditions.Objects.FirstOrDefault(c => c.GetString("type") == type);
        if (condition is null)
        {
            conditions.Add(condition = new ApiObject());
            condition.Set("type", type);
        }

        var status = holds ? "True" : "False";
        if (condition.GetString("status") != status)
        {
            condition.Set("lastTransitionTime", KubernetesTime.Format(time.GetUtcNow()));
        }

        condition.Set("status", status);
        condition.Set("reason", reason);
        condition.Set("message", message);
    }
}
