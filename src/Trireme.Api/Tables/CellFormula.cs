using Trireme.Api.Documents;
using Trireme.Api.Selectors;

namespace Trireme.Api.Tables;

/// <summary>Computes one cell of a row.</summary>
internal delegate ApiNode CellFormula(ApiObject item, DateTimeOffset now);

/// <summary>
/// Reads the formulas of Facts/columns.json: a JSON path, a function of paths (<c>age</c>, <c>join</c>, <c>len</c>, <c>labels</c>, <c>selector</c>,
/// <c>pair</c>, <c>first</c>) or <c>@name</c> for one that is code, then <c>|what to show when there is nothing</c>.
/// </summary>
internal static class CellFormulas
{
    /// <summary>The formula of a built-in kind's column.</summary>
    public static CellFormula Read(PrinterColumn column)
    {
        var source = column.Source;
        if (source.StartsWith('@'))
        {
            return ComputedCells.Find(source[1..]);
        }

        var bar = source.LastIndexOf('|');
        var fallback = bar < 0 ? Zero(column.Type) : Typed(source[(bar + 1)..], column.Type);
        var expression = bar < 0 ? source : source[..bar];
        var open = expression.IndexOf('(', StringComparison.Ordinal);
        return open > 0 && expression[0] != '.'
            ? Function(expression[..open], [.. expression[(open + 1)..^1].Split(',').Select(Path)], fallback)
            : Value(Path(expression), fallback);
    }

    private static CellFormula Value(JsonPath path, ApiNode fallback) => (item, _) =>
        path.First(item) is { } value && !(fallback.AsString() is { Length: > 0 } && value.AsString() is "") ? Scalar(value) : fallback;

    private static CellFormula Function(string name, JsonPath[] paths, ApiNode fallback) => name switch
    {
        "age" => (item, now) => paths[0].First(item)?.AsString() is { } time ? HumanDuration.Since(time, now) : fallback.AsString() is { Length: > 0 } ? fallback : "<unknown>",
        "join" => (item, _) => string.Join(',', paths[0].Find(item).Select(Text)) is { Length: > 0 } text ? text : fallback,
        "len" => (item, _) => paths.Sum(p => Count(p.First(item))),
        "labels" => (item, _) => FormatLabels(paths[0].First(item)?.AsObject()),
        "selector" => (item, _) => FormatSelector(paths[0].First(item)),
        "pair" => (item, _) => paths[0].First(item) is { } left ? $"{Text(left)}/{Text(paths[1].First(item))}" : fallback,
        "first" => (item, _) => paths.Select(p => p.First(item)).FirstOrDefault(v => v is not null) is { } value ? Scalar(value) : fallback,
        _ => throw new InvalidOperationException($"Unknown function {name} in a printer column"),
    };

    /// <summary>Labels as <c>a=b,c=d</c>, sorted; <c>&lt;none&gt;</c> when there are none.</summary>
    internal static string FormatLabels(ApiObject? labels) =>
        labels is { Count: > 0 }
            ? string.Join(',', labels.Select(l => $"{l.Key}={Text(l.Value)}").Order(StringComparer.Ordinal))
            : "<none>";

    /// <summary>A LabelSelector as text; <c>&lt;none&gt;</c> when there is none or it is empty.</summary>
    internal static string FormatSelector(ApiNode? selector)
    {
        try
        {
            return LabelRequirements.Of(selector).ToString() is { Length: > 0 } text ? text : "<none>";
        }
        catch (FormatException)
        {
            return "<error>";
        }
    }

    internal static string Text(ApiNode? node) => node is null ? "" : node.AsString() ?? node.ToString();

    private static ApiNode Scalar(ApiNode value) => value is ApiScalar ? value : value.ToString();

    private static int Count(ApiNode? node) => node switch
    {
        ApiObject o => o.Count,
        ApiArray a => a.Count,
        _ => 0,
    };

    private static JsonPath Path(string text) =>
        JsonPath.TryParse(text, out var path) ? path : throw new InvalidOperationException($"Printer column with a path that cannot be read: {text}");

    private static ApiNode Zero(string type) => type switch
    {
        "integer" or "number" => 0,
        "boolean" => false,
        _ => ApiScalar.EmptyString,
    };

    private static ApiNode Typed(string text, string type) => type switch
    {
        "boolean" when bool.TryParse(text, out var flag) => flag,
        _ => text,
    };
}
