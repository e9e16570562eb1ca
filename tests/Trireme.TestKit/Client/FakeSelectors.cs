using System.Text.Json.Nodes;

namespace Trireme.TestKit.Client;

/// <summary>Label and field selectors over JSON: equality, <c>in</c>, <c>notin</c>, existence; fields by path.</summary>
internal static class FakeSelectors
{
    public static bool Matches(JsonObject obj, string? labels, string? fields) =>
        Terms(labels).All(t => MatchesLabel(obj["metadata"]?["labels"] as JsonObject, t)) && Terms(fields).All(t => MatchesField(obj, t));

    private static bool MatchesLabel(JsonObject? labels, string term)
    {
        if (term.Contains('(', StringComparison.Ordinal))
        {
            var parts = term.Split([' ', '('], 3, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var values = term[(term.IndexOf('(', StringComparison.Ordinal) + 1)..].TrimEnd(')', ' ').Split(',', StringSplitOptions.TrimEntries);
            var value = (string?)labels?[parts[0]];
            return parts[1] == "in" ? value is not null && values.Contains(value) : value is null || !values.Contains(value);
        }

        if (term.IndexOf("!=", StringComparison.Ordinal) is var not and > 0)
        {
            return (string?)labels?[term[..not].Trim()] != term[(not + 2)..].Trim();
        }

        if (term.IndexOf('=', StringComparison.Ordinal) is var equal and > 0)
        {
            return (string?)labels?[term[..equal].Trim()] == term[equal..].TrimStart('=').Trim();
        }

        return term[0] == '!' ? labels?[term[1..]] is null : labels?[term] is not null;
    }

    private static bool MatchesField(JsonObject obj, string term)
    {
        var negated = term.Contains("!=", StringComparison.Ordinal);
        var at = term.IndexOf(negated ? "!=" : "=", StringComparison.Ordinal);
        JsonNode? node = obj;
        foreach (var part in term[..at].Split('.'))
        {
            node = node?[part];
        }

        return (node?.ToString() ?? "") == term[at..].TrimStart('!', '=') != negated;
    }

    /// <summary>Splits at commas that are not within parentheses.</summary>
    private static List<string> Terms(string? selector)
    {
        var terms = new List<string>();
        var (depth, start) = (0, 0);
        for (var i = 0; i <= (selector?.Length ?? 0); i++)
        {
            var c = i == (selector?.Length ?? 0) ? ',' : selector![i];
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
            if (c == ',' && depth == 0)
            {
                if (selector?[start..i].Trim() is { Length: > 0 } term)
                {
                    terms.Add(term);
                }

                start = i + 1;
            }
        }

        return terms;
    }
}
