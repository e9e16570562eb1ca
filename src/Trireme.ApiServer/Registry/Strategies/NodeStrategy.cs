using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Nodes: a node agent registers with its status.</summary>
internal sealed class NodeStrategy : ResourceStrategy
{
    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
    }
}
