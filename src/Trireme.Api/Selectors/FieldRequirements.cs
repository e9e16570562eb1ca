using System.Text;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Selectors;

/// <summary>One condition on one field.</summary>
/// <param name="Field">Path as selectors write it: <c>status.phase</c>.</param>
/// <param name="Value">Text to compare with.</param>
/// <param name="IsEqual">Whether the field must equal the value, or must not.</param>
public sealed record FieldRequirement(string Field, string Value, bool IsEqual)
{
    internal string[] Path { get; } = Field.Split('.');

    public override string ToString() => $"{Field}{(IsEqual ? "=" : "!=")}{FieldRequirements.Escape(Value)}";
}

/// <summary>A field selector ready to match: conditions that must all hold. Immutable; no conditions match everything.</summary>
public sealed class FieldRequirements
{
    private FieldRequirements(IReadOnlyList<FieldRequirement> requirements) => Requirements = requirements;

    public static FieldRequirements Everything { get; } = new([]);

    public IReadOnlyList<FieldRequirement> Requirements { get; }

    public bool MatchesEverything => Requirements.Count == 0;

    /// <summary>The object's name, if the selector demands one: then at most one object can match.</summary>
    public string? MetadataName => RequiredValue("metadata.name");

    /// <summary>The namespace, if the selector demands one.</summary>
    public string? MetadataNamespace => RequiredValue("metadata.namespace");

    /// <summary>Reads the <c>fieldSelector</c> query parameter: <c>spec.nodeName=n1,status.phase!=Running</c>.</summary>
    /// <param name="text">The selector; empty selects everything.</param>
    /// <param name="selector">The selector.</param>
    /// <param name="error">Kubernetes' words for what is wrong.</param>
    public static bool TryParse(string? text, out FieldRequirements selector, out string error)
    {
        selector = Everything;
        error = "";
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        var requirements = new List<FieldRequirement>();
        foreach (var term in SplitTerms(text))
        {
            if (term.Length == 0)
            {
                continue;
            }

            if (!TryParseTerm(term, out var requirement, out error))
            {
                return false;
            }

            requirements.Add(requirement!);
        }

        selector = new FieldRequirements(requirements);
        return true;
    }

    /// <summary>The one condition that a field has a value.</summary>
    public static FieldRequirements Of(string field, string value) => new([new FieldRequirement(field, value, IsEqual: true)]);

    /// <summary>Renames aliases and refuses fields that the resource does not offer: <c>field label not supported: spec.foo</c>.</summary>
    public bool TryBind(ResourceDefinition resource, out FieldRequirements bound, out string error)
    {
        bound = this;
        error = "";
        List<FieldRequirement>? changed = null;
        for (var i = 0; i < Requirements.Count; i++)
        {
            var requirement = Requirements[i];
            if (resource.FieldSelectorAliases.TryGetValue(requirement.Field, out var name))
            {
                changed ??= [.. Requirements];
                changed[i] = requirement = new FieldRequirement(name, requirement.Value, requirement.IsEqual);
            }

            var known = requirement.Field == "metadata.name"
                || (requirement.Field == "metadata.namespace" && resource.Namespaced)
                || resource.FieldSelectors.Contains(requirement.Field);
            if (!known)
            {
                error = resource.IsCustom || resource.FieldSelectors.Count == 0
                    ? $"\"{requirement.Field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    : $"field label not supported: {requirement.Field}";
                return false;
            }
        }

        bound = changed is null ? this : new FieldRequirements(changed);
        return true;
    }

    /// <summary>Whether an object's JSON bytes meet all conditions; no tree is built.</summary>
    public bool MatchesObject(ReadOnlySpan<byte> utf8)
    {
        foreach (var requirement in Requirements)
        {
            if (Equals(utf8, requirement) != requirement.IsEqual)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether an object meets all conditions.</summary>
    public bool Matches(ApiDocument document) => Requirements.Count == 0 || MatchesObject(document.ToUtf8());

    public override string ToString() => string.Join(',', Requirements);

    internal static string Escape(string value) =>
        value.AsSpan().ContainsAny('\\', ',', '=')
            ? value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(",", "\\,", StringComparison.Ordinal).Replace("=", "\\=", StringComparison.Ordinal)
            : value;

    private static bool Equals(ReadOnlySpan<byte> utf8, FieldRequirement requirement) => requirement.Field switch
    {
        // Not stored: Kubernetes computes these two from other fields.
        "source" when ObjectScanner.GetText(utf8, "kind") == "Event" => EventSource(utf8) == requirement.Value,
        "status.successful" => (ObjectScanner.GetInt64(utf8, "status", "succeeded") ?? 0).ToString(System.Globalization.CultureInfo.InvariantCulture) == requirement.Value,
        "spec.unschedulable" or "spec.hostNetwork" => (ObjectScanner.GetText(utf8, requirement.Path) is { Length: > 0 } flag ? flag : "false") == requirement.Value,
        "status.replicas" => (ObjectScanner.GetText(utf8, requirement.Path) is { Length: > 0 } count ? count : "0") == requirement.Value,
        _ => ObjectScanner.TextEquals(utf8, requirement.Path, requirement.Value),
    };

    private static string EventSource(ReadOnlySpan<byte> utf8) =>
        ObjectScanner.GetText(utf8, "source", "component") is { Length: > 0 } component ? component : ObjectScanner.GetText(utf8, "reportingComponent");

    private string? RequiredValue(string field)
    {
        foreach (var requirement in Requirements)
        {
            if (requirement.IsEqual && requirement.Field == field)
            {
                return requirement.Value;
            }
        }

        return null;
    }

    /// <summary>Cuts at commas that no backslash stands before.</summary>
    private static List<string> SplitTerms(string text)
    {
        var terms = new List<string>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i++;
            }
            else if (text[i] == ',')
            {
                terms.Add(text[start..i]);
                start = i + 1;
            }
        }

        terms.Add(text[start..]);
        return terms;
    }

    private static bool TryParseTerm(string term, out FieldRequirement? requirement, out string error)
    {
        requirement = null;
        error = "";
        for (var i = 0; i < term.Length; i++)
        {
            var (length, isEqual) = term[i..] switch
            {
                ['!', '=', ..] => (2, false),
                ['=', '=', ..] => (2, true),
                ['=', ..] => (1, true),
                _ => (0, false),
            };
            if (length == 0)
            {
                continue;
            }

            if (!TryUnescape(term[(i + length)..], out var value, out error))
            {
                return false;
            }

            requirement = new FieldRequirement(term[..i], value, isEqual);
            return true;
        }

        error = $"invalid selector: '{term}'; can't understand '{term}'";
        return false;
    }

    private static bool TryUnescape(string text, out string value, out string error)
    {
        var builder = new StringBuilder(text.Length);
        value = "";
        error = "";
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i++;
                if (i >= text.Length || text[i] is not ('\\' or ',' or '='))
                {
                    error = $"invalid field selector: invalid escape sequence: {(i >= text.Length ? "\\" : "\\" + text[i])}";
                    return false;
                }
            }
            else if (text[i] is ',' or '=')
            {
                error = $"invalid field selector: unescaped character in value: {text[i]}";
                return false;
            }

            builder.Append(text[i]);
        }

        value = builder.ToString();
        return true;
    }
}
