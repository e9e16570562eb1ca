using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Namespaces: they stay, terminating, until the namespace controller has emptied them and lifts the finalizer in their spec.</summary>
internal sealed class NamespaceStrategy : ResourceStrategy
{
    private const string Finalizer = "kubernetes";

    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        var finalizers = obj.Root.GetOrAddObject("spec").GetOrAddArray("finalizers");
        if (!finalizers.Strings.Contains(Finalizer))
        {
            finalizers.Add(Finalizer);
        }

        var status = new ApiObject();
        status.Set("phase", "Active");
        obj["status"] = status;
    }

    /// <inheritdoc/>
    public override void PrepareForUpdate(WriteRequest request, ApiDocument obj, ApiDocument old)
    {
        obj["spec"] = old["spec"]?.DeepClone();
        obj["status"] = old["status"]?.DeepClone();
    }

    /// <inheritdoc/>
    public override ApiDocument? Project(WriteRequest request, string subresource, ApiDocument old, ApiDocument incoming)
    {
        if (subresource != "finalize")
        {
            return base.Project(request, subresource, old, incoming);
        }

        var result = old.Clone();
        result.Root.GetOrAddObject("spec")["finalizers"] = incoming.Spec?["finalizers"]?.DeepClone();
        return result;
    }

    /// <inheritdoc/>
    public override bool BlocksDeletion(ApiDocument obj) =>
        base.BlocksDeletion(obj) || obj.Spec?.GetArray("finalizers") is { Count: > 0 };

    /// <inheritdoc/>
    public override void DeletionStarted(ApiDocument obj)
    {
        // What is in the namespace decides how long this takes; no grace period is promised.
        obj.Metadata.DeletionGracePeriodSeconds = null;
        obj.Root.GetOrAddObject("status").Set("phase", "Terminating");
    }
}
