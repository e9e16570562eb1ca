namespace Trireme.Cluster.Supervision;

/// <summary>How long to wait before a component that ended is started again.</summary>
public sealed class RestartBackoff
{
    /// <summary>Short, because most deaths are single and every moment without the component counts.</summary>
    public static readonly TimeSpan Initial = TimeSpan.FromMilliseconds(100);

    public static readonly TimeSpan Maximum = TimeSpan.FromSeconds(10);

    /// <summary>A component that ran this long counts as healthy: its next death is treated as the first.</summary>
    public static readonly TimeSpan ResetAfter = TimeSpan.FromSeconds(30);

    private TimeSpan _next = Initial;

    /// <summary>The delay after a run that lasted <paramref name="ran"/>.</summary>
    public TimeSpan Next(TimeSpan ran)
    {
        if (ran >= ResetAfter)
        {
            _next = Initial;
        }

        var delay = _next;
        _next = delay * 2 < Maximum ? delay * 2 : Maximum;
        return delay;
    }

    public void Reset() => _next = Initial;
}
