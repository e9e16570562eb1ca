using System.Globalization;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>One requirement on a label, parsed.</summary>
internal readonly struct LabelRequirement(string key, LabelOperator op, string[] values, long bound = 0)
{
    public string Key { get; } = key;

    public LabelOperator Operator { get; } = op;

    public string[] Values { get; } = values;

    public bool Matches(Dictionary<string, string>? labels)
    {
        string? value = null;
        var present = labels is not null && labels.TryGetValue(Key, out value);
        return Matches(present, value);
    }

    /// <summary>Whether a label that is present or not, with this value, satisfies the requirement.</summary>
    public bool Matches(bool present, string? value) => Operator switch
    {
        LabelOperator.In => present && Values.AsSpan().Contains(value!),
        LabelOperator.NotIn => !present || !Values.AsSpan().Contains(value!),
        LabelOperator.Exists => present,
        LabelOperator.DoesNotExist => !present,
        LabelOperator.Gt => present && TryNumber(value, out var number) && number > bound,
        LabelOperator.Lt => present && TryNumber(value, out var number) && number < bound,
        _ => false,
    };

    private static bool TryNumber(string? text, out long number) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number);
}

/// <summary>Operators of label and node selectors.</summary>
internal enum LabelOperator
{
    /// <summary>An operator that the API would have refused: matches nothing.</summary>
    Invalid,
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

/// <summary>A label selector, parsed once and asked many thousand times. Immutable.</summary>
internal sealed class LabelMatcher
{
    /// <summary>What a missing selector means: no object at all.</summary>
    public static readonly LabelMatcher Nothing = new([], matchesNothing: true);

    /// <summary>What an empty selector means: every object.</summary>
    public static readonly LabelMatcher Everything = new([], matchesNothing: false);

    private readonly LabelRequirement[] _requirements;
    private readonly bool _matchesNothing;

    private LabelMatcher(LabelRequirement[] requirements, bool matchesNothing)
    {
        _requirements = requirements;
        _matchesNothing = matchesNothing;
    }

    public bool IsEverything => !_matchesNothing && _requirements.Length == 0;

    public bool IsNothing => _matchesNothing;

    public static LabelMatcher Of(LabelSelector? selector)
    {
        if (selector is null)
        {
            return Nothing;
        }

        var requirements = new List<LabelRequirement>();
        foreach (var (key, value) in selector.MatchLabels ?? [])
        {
            requirements.Add(new LabelRequirement(key, LabelOperator.In, [value]));
        }

        foreach (var expression in selector.MatchExpressions ?? [])
        {
            requirements.Add(Parse(expression.Key, expression.Operator, expression.Values));
        }

        return requirements.Count == 0 ? Everything : new LabelMatcher([.. requirements], matchesNothing: false);
    }

    /// <summary>The selector of services and replication controllers: every label must be there with its value.</summary>
    public static LabelMatcher OfLabels(Dictionary<string, string> labels) =>
        labels.Count == 0
            ? Everything
            : new LabelMatcher([.. labels.Select(l => new LabelRequirement(l.Key, LabelOperator.In, [l.Value]))], matchesNothing: false);

    public static LabelRequirement Parse(string? key, string? op, List<string>? values)
    {
        var parsed = op switch
        {
            NodeSelectorOperator.In => LabelOperator.In,
            NodeSelectorOperator.NotIn => LabelOperator.NotIn,
            NodeSelectorOperator.Exists => LabelOperator.Exists,
            NodeSelectorOperator.DoesNotExist => LabelOperator.DoesNotExist,
            NodeSelectorOperator.Gt => LabelOperator.Gt,
            NodeSelectorOperator.Lt => LabelOperator.Lt,
            _ => LabelOperator.Invalid,
        };
        long bound = 0;
        if (parsed is LabelOperator.Gt or LabelOperator.Lt
            && !(values is { Count: 1 } && long.TryParse(values[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out bound)))
        {
            parsed = LabelOperator.Invalid;
        }

        return new LabelRequirement(key ?? "", parsed, values?.ToArray() ?? [], bound);
    }

    /// <summary>This selector and further requirements.</summary>
    public LabelMatcher And(params LabelRequirement[] more) =>
        more.Length == 0 || _matchesNothing ? this : new LabelMatcher([.. _requirements, .. more], matchesNothing: false);

    /// <summary>What both selectors ask.</summary>
    public LabelMatcher And(LabelMatcher other) => other._matchesNothing ? other : And(other._requirements);

    public bool Matches(Dictionary<string, string>? labels)
    {
        if (_matchesNothing)
        {
            return false;
        }

        foreach (ref readonly var requirement in _requirements.AsSpan())
        {
            if (!requirement.Matches(labels))
            {
                return false;
            }
        }

        return true;
    }
}
