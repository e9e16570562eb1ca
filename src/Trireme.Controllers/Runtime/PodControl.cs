using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Events;

namespace Trireme.Controllers.Runtime;

/// <summary>Creates and deletes the pods of a controller, and tells users by events.</summary>
public sealed class PodControl(IApiClient client, IEventRecorder events, Random random)
{
    /// <summary>A pod as the template says, controlled by <paramref name="owner"/>.</summary>
    /// <param name="owner">The controlling object.</param>
    /// <param name="template">Labels, annotations, finalizers and spec.</param>
    /// <param name="name">Name of the pod; null makes one up from the owner's.</param>
    public Pod FromTemplate(IKubernetesObject owner, PodTemplateSpec template, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(owner);
        ArgumentNullException.ThrowIfNull(template);
        var copy = template.Clone();
        var prefix = owner.Metadata.Name + "-";
        return new Pod
        {
            Metadata = new ObjectMeta
            {
                Namespace = owner.Metadata.Namespace,
                Name = name ?? SafeNames.Generate(prefix, random),
                GenerateName = name is null ? prefix : null,
                Labels = copy.Metadata?.Labels,
                Annotations = copy.Metadata?.Annotations,
                Finalizers = copy.Metadata?.Finalizers,
                OwnerReferences = [OwnerReferences.ToController(owner)],
            },
            Spec = copy.Spec,
        };
    }

    /// <exception cref="ApiException">Recorded as event <c>FailedCreate</c>, unless the namespace is going.</exception>
    public async Task<Pod> CreateAsync(IKubernetesObject owner, Pod pod, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pod);
        try
        {
            var created = await client.CreateAsync(pod, cancellationToken);
            events.Event(owner, "Normal", "SuccessfulCreate", $"Created pod: {created.Metadata.Name}");
            return created;
        }
        catch (ApiException e)
        {
            if (!IsNamespaceTerminating(e))
            {
                events.Event(owner, "Warning", "FailedCreate", $"Error creating: {e.Message}");
            }

            throw;
        }
    }

    /// <summary>Deletes a pod, which may be gone already.</summary>
    /// <exception cref="ApiException">Recorded as event <c>FailedDelete</c>.</exception>
    public async Task DeleteAsync(IKubernetesObject owner, Pod pod, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pod);
        try
        {
            await client.DeleteAsync<Pod>(pod.Metadata.Namespace, pod.Metadata.Name!, new DeleteRequest(PreconditionUid: pod.Metadata.Uid), cancellationToken);
            events.Event(owner, "Normal", "SuccessfulDelete", $"Deleted pod: {pod.Metadata.Name}");
        }
        catch (ApiException e) when (!e.IsConflict)
        {
            events.Event(owner, "Warning", "FailedDelete", $"Error deleting: {e.Message}");
            throw;
        }
    }

    /// <summary>Nothing can be created any more, and trying again is in vain.</summary>
    public static bool IsNamespaceTerminating(ApiException e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e.Status.Details?.Causes?.Exists(c => c.Reason == "NamespaceTerminating") == true;
    }
}
