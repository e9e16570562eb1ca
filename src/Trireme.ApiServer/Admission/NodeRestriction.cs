using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission;

/// <summary>A node agent changes only its own node, its own lease and the pods that run on it: one machine taken over is not the cluster.</summary>
internal sealed class NodeRestriction : IAdmissionPlugin
{
    private const string MirrorAnnotation = "kubernetes.io/config.mirror";
    private const string RestrictedLabelSuffix = "node-restriction.kubernetes.io/";

    /// <inheritdoc/>
    public string Name => "NodeRestriction";

    /// <inheritdoc/>
    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.User.NodeName is not { } node)
        {
            return ValueTask.CompletedTask;
        }

        switch (request.Resource.Group, request.Resource.Plural)
        {
            case ("", "pods"):
                CheckPod(request, node);
                break;
            case ("", "nodes"):
                CheckNode(request, node);
                break;
            case ("coordination.k8s.io", "leases"):
                if (request.Namespace != "kube-node-lease" || request.Name != node)
                {
                    throw Forbidden(request, $"can only access node lease with the same name as the requesting node");
                }

                break;
            case ("storage.k8s.io", "csinodes"):
                if (request.Name != node)
                {
                    throw Forbidden(request, $"can only access CSINode with the same name as the requesting node");
                }

                break;
        }

        return ValueTask.CompletedTask;
    }

    private static void CheckPod(AdmissionRequest request, string node)
    {
        if (request.Operation == AdmissionOperation.Create)
        {
            if (request.Object!.Metadata.GetAnnotation(MirrorAnnotation) is null)
            {
                throw Forbidden(request, $"pod does not have \"{MirrorAnnotation}\" annotation, node \"{node}\" can only create mirror pods");
            }

            if (request.Object.Spec?.GetString("nodeName") != node)
            {
                throw Forbidden(request, $"node \"{node}\" can only create pods with spec.nodeName set to itself");
            }

            return;
        }

        if (request.OldObject!.Spec?.GetString("nodeName") != node)
        {
            var what = request.Operation == AdmissionOperation.Delete ? "delete pods" : "update pod status for pods";
            throw Forbidden(request, $"node \"{node}\" can only {what} with spec.nodeName set to itself");
        }

        if (request is { Operation: AdmissionOperation.Update, Subresource: "" })
        {
            throw Forbidden(request, $"unexpected operation \"UPDATE\", node \"{node}\" can only create and delete mirror pods");
        }

        if (request.Operation == AdmissionOperation.Update
            && !ApiNode.DeepEquals(request.Object!.Metadata.Labels ?? new ApiObject(), request.OldObject.Metadata.Labels ?? new ApiObject()))
        {
            throw Forbidden(request, $"node \"{node}\" cannot update labels through pod status");
        }
    }

    private static void CheckNode(AdmissionRequest request, string node)
    {
        if (request.Name != node)
        {
            throw Forbidden(request, $"node \"{node}\" is not allowed to modify node \"{request.Name}\"");
        }

        if (request.Operation == AdmissionOperation.Delete)
        {
            return;
        }

        var before = request.OldObject?.Metadata.Labels;
        foreach (var (label, value) in request.Object!.Metadata.Labels ?? [])
        {
            var slash = label.IndexOf('/', StringComparison.Ordinal);
            var restricted = slash > 0 && label.AsSpan(0, slash + 1).EndsWith(RestrictedLabelSuffix, StringComparison.Ordinal);
            if (restricted && !ApiNode.DeepEquals(value, before?[label]))
            {
                throw Forbidden(request, $"is not allowed to set the following labels: {label}");
            }
        }

        if (request.OldObject is { } old
            && !ApiNode.DeepEquals(request.Object.Spec?["taints"] ?? new ApiArray(), old.Spec?["taints"] ?? new ApiArray()))
        {
            throw Forbidden(request, $"node \"{node}\" is not allowed to modify taints");
        }
    }

    private static ApiStatusException Forbidden(AdmissionRequest request, string reason) =>
        new(ApiStatus.Forbidden(request.Resource.GroupResource, request.Name, reason));
}
