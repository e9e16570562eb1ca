using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Jobs: unless the client selects pods itself, the job's own uid does.</summary>
internal sealed class JobStrategy : ResourceStrategy
{
    private const string ControllerUid = "batch.kubernetes.io/controller-uid";
    private const string JobName = "batch.kubernetes.io/job-name";

    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        base.PrepareForCreate(request, obj);
        if (obj.Spec is not { } spec || spec.GetBoolean("manualSelector") == true)
        {
            return;
        }

        var uid = obj.Metadata.Uid ?? "";
        var name = obj.Metadata.Name ?? "";
        var labels = spec.GetOrAddObject("template").GetOrAddObject("metadata").GetOrAddObject("labels");
        labels.Set(ControllerUid, uid);
        labels.Set("controller-uid", uid);
        labels.Set(JobName, name);
        labels.Set("job-name", name);
        spec.GetOrAddObject("selector").GetOrAddObject("matchLabels").Set(ControllerUid, uid);
    }
}
