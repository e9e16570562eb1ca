using Trireme.Api.Documents;

namespace Trireme.ApiServer.Admission;

/// <summary>A new node takes no pods before it has said that it is ready.</summary>
internal sealed class TaintNodesByCondition : IAdmissionPlugin
{
    private const string NotReady = "node.kubernetes.io/not-ready";

    /// <inheritdoc/>
    public string Name => "TaintNodesByCondition";

    /// <inheritdoc/>
    public ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || !request.IsCore("nodes") || request.Object is not { } node)
        {
            return ValueTask.CompletedTask;
        }

        var taints = node.Root.GetOrAddObject("spec").GetOrAddArray("taints");
        if (!taints.Objects.Any(t => t.GetString("key") == NotReady && t.GetString("effect") == "NoSchedule"))
        {
            var taint = new ApiObject();
            taint.Set("key", NotReady);
            taint.Set("effect", "NoSchedule");
            taints.Add(taint);
        }

        return ValueTask.CompletedTask;
    }
}
