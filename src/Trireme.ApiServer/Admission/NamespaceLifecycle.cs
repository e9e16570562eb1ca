using Trireme.Api;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission;

/// <summary>Objects are created only in namespaces that exist and are not terminating; the namespaces that the cluster lives on stay.</summary>
internal sealed class NamespaceLifecycle(ResourceLookup lookup) : IAdmissionPlugin
{
    private static readonly GroupResource s_namespaces = new("", "namespaces");

    /// <inheritdoc/>
    public string Name => "NamespaceLifecycle";

    /// <inheritdoc/>
    public async ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || request.Namespace is not { } @namespace)
        {
            return;
        }

        var found = await lookup.FindAsync("", "namespaces", null, @namespace, cancellationToken)
            ?? throw new ApiStatusException(ApiStatus.NotFound(s_namespaces, @namespace));
        if (found.Metadata.IsTerminating || found.Status?.GetString("phase") == "Terminating")
        {
            throw new ApiStatusException(ApiStatus.Forbidden(
                request.Resource.GroupResource,
                request.Name,
                $"unable to create new content in namespace {@namespace} because it is being terminated") with
            {
                Causes = [new StatusCause("NamespaceTerminating", $"namespace {@namespace} is being terminated", "metadata.namespace")],
            });
        }
    }

    /// <inheritdoc/>
    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request is { Operation: AdmissionOperation.Delete, Name: "default" or "kube-system" or "kube-public" } && request.IsCore("namespaces"))
        {
            throw new ApiStatusException(ApiStatus.Forbidden(s_namespaces, request.Name, "this namespace may not be deleted"));
        }

        return ValueTask.CompletedTask;
    }
}
