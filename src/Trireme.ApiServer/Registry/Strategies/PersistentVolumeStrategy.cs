using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Volumes and claims on them begin pending.</summary>
internal sealed class PersistentVolumeStrategy : ResourceStrategy
{
    /// <inheritdoc/>
    public override bool ReturnsDeletedObject => true;

    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        var status = new ApiObject();
        status.Set("phase", "Pending");
        obj["status"] = status;
    }
}
