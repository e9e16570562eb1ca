namespace Trireme.Controllers.NodeLifecycle;

/// <summary>What the node lifecycle controller tells the one that evicts: whether the silence of nodes means anything now.</summary>
public sealed class NodeDisruption
{
    private volatile bool _isMassFailure;

    public bool IsMassFailure
    {
        get => _isMassFailure;
        set => _isMassFailure = value;
    }
}
