namespace Trireme.Controllers.Runtime;

/// <summary>What a reconciliation asks for: nothing, or to be called again after a while.</summary>
/// <param name="RequeueAfter">Null when only a change of the cluster calls for another look.</param>
public readonly record struct ReconcileResult(TimeSpan? RequeueAfter)
{
    /// <summary>All is as it should be, as far as can be seen.</summary>
    public static ReconcileResult Done => default;

    /// <summary>Look again after <paramref name="delay"/>.</summary>
    public static ReconcileResult After(TimeSpan delay) => new(delay);

    /// <summary>The earlier of two wishes.</summary>
    public ReconcileResult Or(TimeSpan? other) =>
        other is { } delay && (RequeueAfter is not { } own || delay < own) ? new ReconcileResult(delay) : this;
}
