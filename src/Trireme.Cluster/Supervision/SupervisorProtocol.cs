using System.Text.Json.Serialization;

namespace Trireme.Cluster.Supervision;

/// <summary>A request on the supervisor's control socket: one line of JSON, answered by one line.</summary>
/// <param name="Verb">
/// <c>list</c>, <c>start</c>, <c>stop</c> (end it and leave it so), <c>restart</c>, <c>kill</c> (SIGKILL; it is started again),
/// <c>pause</c> and <c>cont</c> (SIGSTOP and SIGCONT), <c>reload</c> (read config.yaml again), <c>shutdown</c>
/// (stop everything and end), <c>leave</c> (end and leave everything running).
/// </param>
/// <param name="Component">Name of the component; null addresses all.</param>
public sealed record SupervisorRequest(string Verb, string? Component = null);

/// <summary>The answer to a <see cref="SupervisorRequest"/>.</summary>
public sealed record SupervisorResponse
{
    /// <summary>Null when it worked.</summary>
    public string? Error { get; init; }

    /// <summary>Every component as it is now.</summary>
    public IReadOnlyList<ComponentStatus> Components { get; init; } = [];

    /// <summary>API servers that the machine's balancer uses, <c>HOST:PORT</c> to whether it is healthy.</summary>
    public IReadOnlyDictionary<string, bool> Backends { get; init; } = new Dictionary<string, bool>();

    /// <summary>Process id of the supervisor.</summary>
    public int Pid { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SupervisorRequest))]
[JsonSerializable(typeof(SupervisorResponse))]
internal sealed partial class SupervisorJson : JsonSerializerContext;
