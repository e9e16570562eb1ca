using System.Text;
using System.Text.Json;
using Trireme.Api.Documents;

namespace Trireme.Api.Selectors;

/// <summary>How a label's value is compared.</summary>
public enum LabelOperator
{
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// <summary>One condition on one label.</summary>
/// <param name="Key">Label name.</param>
/// <param name="Operator">Comparison.</param>
/// <param name="Values">What it is compared with, sorted.</param>
public sealed record LabelRequirement(string Key, LabelOperator Operator, IReadOnlyList<string> Values)
{
    /// <summary>Whether a label's value (null: no such label) meets the condition.</summary>
    public bool Matches(string? value) => Operator switch
    {
        LabelOperator.In => value is not null && Values.Contains(value),
        LabelOperator.NotIn => value is null || !Values.Contains(value),
        LabelOperator.Exists => value is not null,
        LabelOperator.DoesNotExist => value is null,
        _ => long.TryParse(value, out var number) && long.TryParse(Values[0], out var bound)
            && (Operator == LabelOperator.GreaterThan ? number > bound : number < bound),
    };

    /// <summary>As Kubernetes writes it: <c>a=b</c>, <c>a in (b,c)</c>, <c>!a</c>.</summary>
    public override string ToString() => Operator switch
    {
        LabelOperator.In when Values.Count == 1 => $"{Key}={Values[0]}",
        LabelOperator.NotIn when Values.Count == 1 => $"{Key}!={Values[0]}",
        LabelOperator.In => $"{Key} in ({string.Join(',', Values)})",
        LabelOperator.NotIn => $"{Key} notin ({string.Join(',', Values)})",
        LabelOperator.Exists => Key,
        LabelOperator.DoesNotExist => $"!{Key}",
        LabelOperator.GreaterThan => $"{Key}>{Values[0]}",
        _ => $"{Key}<{Values[0]}",
    };
}

/// <summary>
/// A label selector ready to match: conditions that must all hold. Immutable; no conditions match everything. Called <c>labels.Selector</c> upstream;
/// <c>LabelSelector</c> is the API type it can be made from.
/// </summary>
public sealed class LabelRequirements
{
    private LabelRequirements(IReadOnlyList<LabelRequirement> requirements, bool matchesNothing = false)
    {
        Requirements = requirements;
        MatchesNothing = matchesNothing;
    }

    public static LabelRequirements Everything { get; } = new([]);

    /// <summary>Matches no object: what a missing LabelSelector means.</summary>
    public static LabelRequirements Nothing { get; } = new([], matchesNothing: true);

    /// <summary>The conditions, sorted by key.</summary>
    public IReadOnlyList<LabelRequirement> Requirements { get; }

    public bool MatchesNothing { get; }

    public bool MatchesEverything => !MatchesNothing && Requirements.Count == 0;

    /// <summary>Reads the <c>labelSelector</c> query parameter: <c>a=b,c in (d,e),!f,g</c>.</summary>
    /// <param name="text">The selector; empty selects everything.</param>
    /// <param name="selector">The selector.</param>
    /// <param name="error">Kubernetes' words for what is wrong.</param>
    public static bool TryParse(string? text, out LabelRequirements selector, out string error) =>
        LabelSelectorParser.TryParse(text ?? "", out selector, out error);

    /// <summary>From the JSON of a LabelSelector (<c>matchLabels</c>, <c>matchExpressions</c>): missing selects nothing, empty everything.</summary>
    /// <exception cref="FormatException">An operator is unknown or its values do not fit; validation finds this before.</exception>
    public static LabelRequirements Of(ApiNode? labelSelector)
    {
        if (labelSelector is not ApiObject selector)
        {
            return Nothing;
        }

        var requirements = new List<LabelRequirement>();
        if (selector.GetObject("matchLabels") is { } labels)
        {
            foreach (var (key, value) in labels)
            {
                requirements.Add(new LabelRequirement(key, LabelOperator.In, [value.AsString() ?? ""]));
            }
        }

        foreach (var expression in selector.GetArray("matchExpressions")?.Objects ?? [])
        {
            requirements.Add(Expression(
                expression.GetString("key") ?? "",
                expression.GetString("operator") ?? "",
                expression.GetArray("values")?.Strings ?? []));
        }

        return Of(requirements);
    }

    /// <summary>From a typed LabelSelector: null selects nothing, empty everything.</summary>
    /// <exception cref="FormatException">An operator is unknown; validation finds this before.</exception>
    public static LabelRequirements Of(Models.Meta.V1.LabelSelector? labelSelector)
    {
        if (labelSelector is null)
        {
            return Nothing;
        }

        var requirements = (labelSelector.MatchLabels ?? []).Select(l => new LabelRequirement(l.Key, LabelOperator.In, [l.Value]));
        var expressions = (labelSelector.MatchExpressions ?? []).Select(e => Expression(e.Key ?? "", e.Operator ?? "", e.Values ?? []));
        return Of(requirements.Concat(expressions));
    }

    /// <summary>From a map of labels that must all be there (the selector of a Service or ReplicationController); an empty one selects nothing.</summary>
    public static LabelRequirements OfSet(IEnumerable<KeyValuePair<string, string>>? labels)
    {
        var requirements = (labels ?? []).Select(l => new LabelRequirement(l.Key, LabelOperator.In, [l.Value])).ToList();
        return requirements.Count == 0 ? Nothing : Of(requirements);
    }

    /// <summary>From conditions.</summary>
    public static LabelRequirements Of(IEnumerable<LabelRequirement> requirements)
    {
        var sorted = requirements.OrderBy(r => r.Key, StringComparer.Ordinal).ToList();
        return sorted.Count == 0 ? Everything : new LabelRequirements(sorted);
    }

    /// <summary>Whether labels meet all conditions.</summary>
    public bool Matches(IReadOnlyDictionary<string, string>? labels)
    {
        foreach (var requirement in Requirements)
        {
            if (!requirement.Matches(labels is not null && labels.TryGetValue(requirement.Key, out var value) ? value : null))
            {
                return false;
            }
        }

        return !MatchesNothing;
    }

    /// <summary>Whether an object of labels (null: none) meets all conditions.</summary>
    public bool Matches(ApiObject? labels)
    {
        foreach (var requirement in Requirements)
        {
            if (!requirement.Matches(labels?.GetString(requirement.Key)))
            {
                return false;
            }
        }

        return !MatchesNothing;
    }

    /// <summary>Whether the labels in an object's JSON bytes meet all conditions; no tree is built.</summary>
    public bool MatchesObject(ReadOnlySpan<byte> utf8)
    {
        if (Requirements.Count == 0)
        {
            return !MatchesNothing;
        }

        return MatchesLabels(ObjectScanner.GetRaw(utf8, "metadata", "labels"));
    }

    /// <summary>Whether a JSON object of labels (empty bytes: none) meets all conditions.</summary>
    public bool MatchesLabels(ReadOnlySpan<byte> labelsUtf8)
    {
        foreach (var requirement in Requirements)
        {
            if (!Matches(labelsUtf8, requirement))
            {
                return false;
            }
        }

        return !MatchesNothing;
    }

    /// <summary>As Kubernetes writes it; parses back to an equal selector.</summary>
    public override string ToString() => MatchesNothing ? "" : string.Join(',', Requirements);

    private static LabelRequirement Expression(string key, string @operator, IEnumerable<string> values)
    {
        var parsed = @operator switch
        {
            "In" => LabelOperator.In,
            "NotIn" => LabelOperator.NotIn,
            "Exists" => LabelOperator.Exists,
            "DoesNotExist" => LabelOperator.DoesNotExist,
            "Gt" => LabelOperator.GreaterThan,
            "Lt" => LabelOperator.LessThan,
            _ => throw new FormatException($"\"{@operator}\" is not a valid label selector operator"),
        };
        List<string> sorted = [.. values.Order(StringComparer.Ordinal)];
        if (parsed is LabelOperator.In or LabelOperator.NotIn or LabelOperator.GreaterThan or LabelOperator.LessThan && sorted.Count == 0)
        {
            throw new FormatException($"values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
        }

        return new LabelRequirement(key, parsed, sorted);
    }

    private static bool Matches(ReadOnlySpan<byte> labels, LabelRequirement requirement)
    {
        if (labels.IsEmpty)
        {
            return requirement.Matches(null);
        }

        var reader = new Utf8JsonReader(labels);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return requirement.Matches(null);
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals(requirement.Key);
            reader.Read();
            if (!found)
            {
                reader.Skip();
                continue;
            }

            switch (requirement.Operator)
            {
                case LabelOperator.Exists:
                    return true;
                case LabelOperator.DoesNotExist:
                    return false;
                case LabelOperator.In:
                case LabelOperator.NotIn:
                    var contained = false;
                    foreach (var value in requirement.Values)
                    {
                        contained |= reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(value);
                    }

                    return contained == (requirement.Operator == LabelOperator.In);
                default:
                    return requirement.Matches(reader.TokenType == JsonTokenType.String ? Encoding.UTF8.GetString(reader.ValueSpan) : null);
            }
        }

        return requirement.Matches(null);
    }
}
