using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Deployments: annotations are handed down to ReplicaSets, so a change of them is a new generation too.</summary>
internal sealed class DeploymentStrategy : ResourceStrategy
{
    /// <inheritdoc/>
    public override bool IsNewGeneration(ApiDocument obj, ApiDocument old) =>
        base.IsNewGeneration(obj, old) || !ApiNode.DeepEquals(obj.Metadata.Annotations ?? new ApiObject(), old.Metadata.Annotations ?? new ApiObject());
}
