namespace Trireme.Output;

/// <summary>What this program is a version of.</summary>
internal static class Versions
{
    /// <summary>The Kubernetes version whose API is served, as nodes report it.</summary>
    public const string Kubernetes = "v1.36.3";

    /// <summary>How a command names itself to the API server.</summary>
    public static string UserAgent(string command) => $"trireme-{command}/0.1.0";
}
