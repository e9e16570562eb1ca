namespace Trireme.Api;

/// <summary>A read that was answered from a cache of which the store did not confirm that it is the newest state.</summary>
public static class StaleRead
{
    /// <summary>The text of the Warning header that says so.</summary>
    public const string Text = "served from cache: the store did not confirm that this is the newest state";
}
