using System.Text.Encodings.Web;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>How documents are written: compact, and with no more escapes than JSON demands.</summary>
public static class DocumentWriter
{
    /// <summary>Options for a <see cref="Utf8JsonWriter"/> that writes API objects.</summary>
    public static JsonWriterOptions Options { get; } = new()
    {
        // Nodes are well-formed by construction; MaxDepth as for reading.
        SkipValidation = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = JsonDepth.Read,
    };
}
