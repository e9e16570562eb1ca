using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Cacher;

namespace Trireme.ApiServer.Registry;

/// <summary>Rows of <c>kubectl get</c>.</summary>
internal sealed class TablePrinter(ResourceDefinition definition, TimeProvider time) : ITablePrinter
{
    /// <inheritdoc/>
    public void WriteColumns(Utf8JsonWriter writer)
    {
        _ = definition;
        writer.WriteStartArray();
        WriteColumn(writer, "Name", "string", "name");
        WriteColumn(writer, "Created At", "date", "");
        writer.WriteEndArray();
    }

    /// <inheritdoc/>
    public void WriteCells(Utf8JsonWriter writer, ReadOnlyMemory<byte> obj)
    {
        _ = time;
        writer.WriteStartArray("cells"u8);
        writer.WriteStringValue(ObjectScanner.GetString(obj.Span, "metadata", "name"));
        writer.WriteStringValue(ObjectScanner.GetString(obj.Span, "metadata", "creationTimestamp"));
        writer.WriteEndArray();
    }

    private static void WriteColumn(Utf8JsonWriter writer, string name, string type, string format)
    {
        writer.WriteStartObject();
        writer.WriteString("name"u8, name);
        writer.WriteString("type"u8, type);
        writer.WriteString("format"u8, format);
        writer.WriteString("description"u8, "");
        writer.WriteNumber("priority"u8, 0);
        writer.WriteEndObject();
    }
}
