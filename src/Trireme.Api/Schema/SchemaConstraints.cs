using System.Text.RegularExpressions;

namespace Trireme.Api.Schema;

/// <summary>The value validations of a structural schema (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation).</summary>
public sealed class SchemaConstraints
{
    public double? Minimum { get; init; }

    public bool ExclusiveMinimum { get; init; }

    public double? Maximum { get; init; }

    public bool ExclusiveMaximum { get; init; }

    public double? MultipleOf { get; init; }

    /// <summary>In Unicode code points, as is <see cref="MaxLength"/>.</summary>
    public long? MinLength { get; init; }

    public long? MaxLength { get; init; }

    /// <summary>The pattern as it was given; compiled on first use.</summary>
    public string? Pattern { get; init; }

    public long? MinItems { get; init; }

    public long? MaxItems { get; init; }

    public bool UniqueItems { get; init; }

    public long? MinProperties { get; init; }

    public long? MaxProperties { get; init; }

    /// <summary>A string format such as <c>ipv4</c>, <c>date-time</c>, <c>uuid</c>; unknown ones are not enforced.</summary>
    public string? Format { get; init; }

    public IReadOnlyList<SchemaNode> AllOf { get; init; } = [];

    public IReadOnlyList<SchemaNode> AnyOf { get; init; } = [];

    public IReadOnlyList<SchemaNode> OneOf { get; init; } = [];

    public SchemaNode? Not { get; init; }

    /// <summary>CEL rules (<c>x-kubernetes-validations</c>), for whoever evaluates CEL.</summary>
    public IReadOnlyList<ValidationRule> Rules { get; init; } = [];

    /// <summary>Whether the string matches <see cref="Pattern"/>; true without one.</summary>
    /// <remarks>A pattern that .NET cannot compile (checked when the definition is admitted) matches nothing. Non-backtracking, so that no input can stall the server.</remarks>
    public bool MatchesPattern(string value)
    {
        if (Pattern is null)
        {
            return true;
        }

        _compiled ??= TryCompile(Pattern);
        return _compiled?.IsMatch(value) ?? false;
    }

    /// <summary>Compiles a pattern in the RE2-like subset; null when it cannot be.</summary>
    public static Regex? TryCompile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    private Regex? _compiled;
}

/// <summary>One CEL rule of a structural schema.</summary>
public sealed record ValidationRule(string Rule, string? Message, string? MessageExpression, string? Reason, string? FieldPath, bool OptionalOldSelf);
