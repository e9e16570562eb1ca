using System.Runtime.InteropServices;
using System.Text.Json;

namespace Trireme.ApiServer.Discovery;

/// <summary>What <c>/version</c> says: the Kubernetes API that is served, with our own version behind the plus sign.</summary>
public static class ServerVersion
{
    public const string Git = "v1.36.3+trireme.0.1.0";

    /// <summary>The document of <c>/version</c>.</summary>
    public static byte[] Document { get; } = Write();

    private static byte[] Write()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("major"u8, "1"u8);
            json.WriteString("minor"u8, "36"u8);
            json.WriteString("emulationMajor"u8, "1"u8);
            json.WriteString("emulationMinor"u8, "36"u8);
            json.WriteString("minCompatibilityMajor"u8, "1"u8);
            json.WriteString("minCompatibilityMinor"u8, "35"u8);
            json.WriteString("gitVersion"u8, Git);
            json.WriteString("gitCommit"u8, ""u8);
            json.WriteString("gitTreeState"u8, "clean"u8);
            json.WriteString("buildDate"u8, "1970-01-01T00:00:00Z"u8);
            json.WriteString("goVersion"u8, RuntimeInformation.FrameworkDescription);
            json.WriteString("compiler"u8, "dotnet"u8);
            json.WriteString("platform"u8, "linux/" + (RuntimeInformation.ProcessArchitecture == Architecture.X64 ? "amd64" : RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()));
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }
}
