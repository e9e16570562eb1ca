using System.Buffers;
using System.Collections.Concurrent;
using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Tables;

/// <summary>What of each object a row carries besides its cells (<c>includeObject</c>).</summary>
public enum IncludeObject
{
    /// <summary>Its metadata, as a PartialObjectMetadata.</summary>
    Metadata,

    None,

    /// <summary>The whole object.</summary>
    Object,
}

/// <summary>
/// Renders objects as <c>meta.k8s.io/v1 Table</c>: what <c>kubectl get</c> asks for. Reads stored or served JSON bytes; built-in kinds have their
/// columns in Facts/columns.json, custom resources bring theirs.
/// </summary>
/// <remarks>https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables</remarks>
public sealed class TableWriter
{
    private static readonly ConcurrentDictionary<(string Group, string Kind), CellFormula[]> BuiltIn = new();

    private readonly IReadOnlyList<PrinterColumn> _columns;
    private readonly CellFormula[] _formulas;
    private readonly bool _isPod;

    /// <summary>A writer for the objects of one resource.</summary>
    public TableWriter(ResourceDefinition resource)
    {
        _columns = resource.IsCustom ? CustomColumns(resource.Columns) : resource.Columns;
        _formulas = resource.IsCustom
            ? [.. _columns.Select(CustomFormula)]
            : BuiltIn.GetOrAdd((resource.Group, resource.Kind), _ => [.. resource.Columns.Select(CellFormulas.Read)]);
        _isPod = resource is { Group: "", Kind: "Pod" };
    }

    /// <summary>Media type parameters that ask for a table.</summary>
    public static string MediaTypeParameters => "as=Table;v=v1;g=meta.k8s.io";

    /// <summary>Writes a table of any number of objects.</summary>
    /// <param name="output">Takes the JSON.</param>
    /// <param name="items">The objects' JSON.</param>
    /// <param name="now">Ages are counted from here.</param>
    /// <param name="include">What each row carries.</param>
    /// <param name="resourceVersion">Revision of the list; null for a single object, whose own it then is.</param>
    /// <param name="continueToken">Where to continue; null at the end.</param>
    /// <param name="remainingItemCount">How many more there are; null when not known.</param>
    /// <param name="withColumns">Whether to define the columns: a watch does so in its first event only.</param>
    public void Write(
        IBufferWriter<byte> output,
        IEnumerable<ReadOnlyMemory<byte>> items,
        DateTimeOffset now,
        IncludeObject include,
        string? resourceVersion,
        string? continueToken = null,
        long? remainingItemCount = null,
        bool withColumns = true)
    {
        using var writer = new Utf8JsonWriter(output, DocumentWriter.Options);
        writer.WriteStartObject();
        writer.WriteString("kind"u8, "Table"u8);
        writer.WriteString("apiVersion"u8, "meta.k8s.io/v1"u8);
        writer.WriteStartObject("metadata"u8);
        if (resourceVersion is not null)
        {
            writer.WriteString("resourceVersion"u8, resourceVersion);
        }

        if (continueToken is { Length: > 0 })
        {
            writer.WriteString("continue"u8, continueToken);
        }

        if (remainingItemCount is { } remaining)
        {
            writer.WriteNumber("remainingItemCount"u8, remaining);
        }

        writer.WriteEndObject();
        WriteColumns(writer, withColumns);
        writer.WriteStartArray("rows"u8);
        foreach (var item in items)
        {
            WriteRow(writer, item.Span, now, include);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>The cells of one object, for those who print them themselves.</summary>
    public IReadOnlyList<ApiNode> Cells(ApiObject item, DateTimeOffset now) => [.. _formulas.Select(f => f(item, now))];

    /// <summary>Writes the member <c>columnDefinitions</c>, empty where the client has them already.</summary>
    public void WriteColumns(Utf8JsonWriter writer, bool withColumns)
    {
        writer.WriteStartArray("columnDefinitions"u8);
        if (withColumns)
        {
            foreach (var column in _columns)
            {
                writer.WriteStartObject();
                writer.WriteString("name"u8, column.Name);
                writer.WriteString("type"u8, column.Type);
                writer.WriteString("format"u8, column.Format);
                writer.WriteString("description"u8, column.Description);
                writer.WriteNumber("priority"u8, column.Priority);
                writer.WriteEndObject();
            }
        }

        writer.WriteEndArray();
    }

    /// <summary>Writes the row of one object, for tables that are sent row by row.</summary>
    public void WriteRow(Utf8JsonWriter writer, ReadOnlySpan<byte> utf8, DateTimeOffset now, IncludeObject include)
    {
        var item = (ApiObject)ApiNode.Parse(utf8);
        writer.WriteStartObject();
        writer.WriteStartArray("cells"u8);
        foreach (var formula in _formulas)
        {
            formula(item, now).Write(writer);
        }

        writer.WriteEndArray();
        if (_isPod && item.Find("status", "phase")?.AsString() is "Succeeded" or "Failed")
        {
            WritePodCondition(writer, item.Find("status", "phase")!.AsString()!);
        }

        switch (include)
        {
            case IncludeObject.Metadata:
                writer.WriteStartObject("object"u8);
                writer.WriteString("kind"u8, "PartialObjectMetadata"u8);
                writer.WriteString("apiVersion"u8, "meta.k8s.io/v1"u8);
                writer.WritePropertyName("metadata"u8);
                var metadata = ObjectScanner.GetRaw(utf8, "metadata");
                writer.WriteRawValue(metadata.IsEmpty ? "{}"u8 : metadata, skipInputValidation: true);
                writer.WriteEndObject();
                break;
            case IncludeObject.Object:
                writer.WritePropertyName("object"u8);
                writer.WriteRawValue(utf8, skipInputValidation: true);
                break;
            default:
                writer.WriteNull("object"u8);
                break;
        }

        writer.WriteEndObject();
    }

    /// <summary>Lets clients hide pods that are done.</summary>
    private static void WritePodCondition(Utf8JsonWriter writer, string phase)
    {
        writer.WriteStartArray("conditions"u8);
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Completed"u8);
        writer.WriteString("status"u8, "True"u8);
        writer.WriteString("reason"u8, phase);
        writer.WriteString("message"u8, phase == "Succeeded" ? "The pod has completed successfully."u8 : "The pod failed."u8);
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private static List<PrinterColumn> CustomColumns(IReadOnlyList<PrinterColumn> own)
    {
        var name = new PrinterColumn("Name", "string", ".metadata.name") { Format = "name" };
        return own.Count > 0 ? [name, .. own] : [name, new PrinterColumn("Age", "date", ".metadata.creationTimestamp")];
    }

    private static CellFormula CustomFormula(PrinterColumn column)
    {
        if (!JsonPath.TryParse(column.Source, out var path))
        {
            return static (_, _) => ApiScalar.Null;
        }

        return column.Type switch
        {
            "date" => (item, now) => path.First(item)?.AsString() is { } time ? HumanDuration.Since(time, now) : "<unknown>",
            "integer" => (item, _) => path.First(item) is { Kind: JsonValueKind.Number } number ? number : ApiScalar.Null,
            "number" => (item, _) => path.First(item) is { Kind: JsonValueKind.Number } number ? number : ApiScalar.Null,
            "boolean" => (item, _) => path.First(item)?.AsBoolean() is { } flag ? flag : ApiScalar.Null,
            _ => (item, _) => string.Join(',', path.Find(item).Select(CellFormulas.Text)) is { Length: > 0 } text ? text : path.First(item) is null ? ApiScalar.Null : ApiScalar.EmptyString,
        };
    }
}
