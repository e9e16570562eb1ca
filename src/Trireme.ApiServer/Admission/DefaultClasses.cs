using System.Globalization;
using Trireme.Api.Documents;

namespace Trireme.ApiServer.Admission;

/// <summary>Claims and ingresses that name no class get the default one, the newest if several say that they are it.</summary>
internal sealed class DefaultClasses(ResourceLookup lookup) : IAdmissionPlugin
{
    /// <inheritdoc/>
    public string Name => "DefaultStorageClass,DefaultIngressClass";

    /// <inheritdoc/>
    public ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || request.Subresource.Length > 0 || request.Object is not { } obj)
        {
            return ValueTask.CompletedTask;
        }

        if (request.IsCore("persistentvolumeclaims") && obj.Spec?["storageClassName"] is null)
        {
            Set(obj, "storageClassName", Default("storage.k8s.io", "storageclasses", "storageclass.kubernetes.io/is-default-class"));
        }
        else if (request.Resource is { Group: "networking.k8s.io", Plural: "ingresses" }
            && obj.Spec?["ingressClassName"] is null && obj.Metadata.GetAnnotation("kubernetes.io/ingress.class") is null)
        {
            Set(obj, "ingressClassName", Default("networking.k8s.io", "ingressclasses", "ingressclass.kubernetes.io/is-default-class"));
        }

        return ValueTask.CompletedTask;
    }

    private static void Set(ApiDocument obj, string field, string? name)
    {
        if (name is not null)
        {
            obj.Root.GetOrAddObject("spec").Set(field, name);
        }
    }

    private string? Default(string group, string resource, string annotation) =>
        lookup.List(group, resource)
            .Where(c => c.Metadata.GetAnnotation(annotation) == "true")
            .OrderByDescending(c => c.Metadata.CreationTimestamp?.ToString("O", CultureInfo.InvariantCulture), StringComparer.Ordinal)
            .ThenBy(c => c.Metadata.Name, StringComparer.Ordinal)
            .FirstOrDefault()?.Metadata.Name;
}
