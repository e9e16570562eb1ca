namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Kinds without peculiarities whose deletion answers with the object.</summary>
internal sealed class ReturningStrategy : ResourceStrategy
{
    /// <inheritdoc/>
    public override bool ReturnsDeletedObject => true;
}
