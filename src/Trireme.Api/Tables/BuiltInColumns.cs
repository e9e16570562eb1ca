using System.Text.Json;

namespace Trireme.Api.Tables;

/// <summary>The columns of built-in kinds, from Facts/columns.json.</summary>
internal static class BuiltInColumns
{
    private static readonly Dictionary<string, IReadOnlyList<PrinterColumn>> ByKind = Load();

    /// <summary>Columns of a kind; those of the default (name and age) when it has none of its own.</summary>
    public static IReadOnlyList<PrinterColumn> For(string group, string kind)
    {
        // The facts shorten group names to their first part (rbac, policy) and leave the core group out.
        var shortGroup = group.Split('.')[0];
        return ByKind.GetValueOrDefault(group.Length == 0 ? kind : $"{shortGroup}/{kind}")
            ?? ByKind.GetValueOrDefault($"{group}/{kind}")
            ?? ByKind.GetValueOrDefault(kind)
            ?? ByKind["*default*"];
    }

    private static Dictionary<string, IReadOnlyList<PrinterColumn>> Load()
    {
        using var stream = typeof(BuiltInColumns).Assembly.GetManifestResourceStream("Trireme.Api.Facts.columns.json")
            ?? throw new InvalidOperationException("The assembly lacks its printer columns");
        using var document = JsonDocument.Parse(stream);
        var result = new Dictionary<string, IReadOnlyList<PrinterColumn>>(StringComparer.Ordinal);
        foreach (var kind in document.RootElement.EnumerateObject())
        {
            result[kind.Name] = [.. kind.Value.EnumerateArray().Select(Read)];
        }

        return result;
    }

    private static PrinterColumn Read(JsonElement column) =>
        new(column.GetProperty("name").GetString()!, column.GetProperty("type").GetString()!, column.GetProperty("source").GetString()!)
        {
            Format = column.TryGetProperty("format", out var format) ? format.GetString()! : "",
            Priority = column.TryGetProperty("priority", out var priority) ? priority.GetInt32() : 0,
        };
}
