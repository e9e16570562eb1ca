namespace Trireme.ApiServer.Admission;

/// <summary>A pod that is bound learns, as labels, in which zone and region it will run (KEP-4742).</summary>
internal sealed class PodTopologyLabels(ResourceLookup lookup) : IAdmissionPlugin
{
    private static readonly string[] s_labels = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

    /// <inheritdoc/>
    public string Name => "PodTopologyLabels";

    /// <inheritdoc/>
    public async ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Subresource != "binding" || request.Resource.Plural != "pods" || request.Object is not { } pod
            || pod.Spec?.GetString("nodeName") is not { Length: > 0 } name)
        {
            return;
        }

        var node = await lookup.FindAsync("", "nodes", null, name, cancellationToken);
        foreach (var label in s_labels)
        {
            if (node?.Metadata.GetLabel(label) is { } value)
            {
                pod.Metadata.SetLabel(label, value);
            }
        }
    }
}
