using System.Text.Json;

namespace Trireme.Api.Schema;

/// <summary>What is known of the built-in API: <c>Facts/api.json</c>, parsed once for all who read from it.</summary>
public static class ApiFacts
{
    /// <summary>The facts. The text stays in memory since types are read from it one by one.</summary>
    public static JsonElement Root { get; } = Load();

    private static JsonElement Load()
    {
        using var stream = typeof(ApiFacts).Assembly.GetManifestResourceStream("Trireme.Api.Facts.api.json")
            ?? throw new InvalidOperationException("The assembly lacks its API facts");

        // Never disposed: elements live as long as the process.
        return JsonDocument.Parse(stream).RootElement;
    }
}
