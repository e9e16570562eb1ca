namespace Trireme.Component.Health;

/// <summary>One named condition of a component's health.</summary>
/// <param name="Name">Path segment and name in the verbose report, for example <c>etcd</c> or <c>poststarthook/bootstrap</c>.</param>
/// <param name="Check">Null when the condition holds, else why it does not. Must answer at once, from what is already known.</param>
public sealed record HealthCheck(string Name, Func<string?> Check)
{
    /// <summary>Holds whenever the process can answer at all.</summary>
    public static HealthCheck Ping { get; } = new("ping", static () => null);
}
