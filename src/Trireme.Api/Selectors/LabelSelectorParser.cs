using System.Globalization;
using Trireme.Api.Validation;

namespace Trireme.Api.Selectors;

/// <summary>Reads the text form of label selectors (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors).</summary>
internal sealed class LabelSelectorParser
{
    private const string Closing = "";

    private readonly List<string> _tokens;
    private int _at;

    private LabelSelectorParser(List<string> tokens) => _tokens = tokens;

    private string Current => _at < _tokens.Count ? _tokens[_at] : Closing;

    public static bool TryParse(string text, out LabelRequirements selector, out string error)
    {
        var parser = new LabelSelectorParser(Scan(text));
        try
        {
            selector = LabelRequirements.Of(parser.ParseAll());
            error = "";
            return true;
        }
        catch (FormatException e)
        {
            selector = LabelRequirements.Everything;
            error = e.Message;
            return false;
        }
    }

    /// <summary>Cuts into words and the signs <c>( ) , = == != ! &lt; &gt;</c>.</summary>
    private static List<string> Scan(string text)
    {
        var tokens = new List<string>();
        var i = 0;
        while (i < text.Length)
        {
            var c = text[i];
            if (c is ' ' or '\t' or '\r' or '\n')
            {
                i++;
            }
            else if (IsSign(c))
            {
                // Signs of comparison run together; brackets, comma stand alone.
                var length = c is '=' or '!' && i + 1 < text.Length && text[i + 1] == '=' ? 2 : 1;
                tokens.Add(text.Substring(i, length));
                i += length;
            }
            else
            {
                var start = i;
                while (i < text.Length && !IsSign(text[i]) && text[i] is not (' ' or '\t' or '\r' or '\n'))
                {
                    i++;
                }

                tokens.Add(text[start..i]);
            }
        }

        return tokens;
    }

    private static bool IsSign(char c) => c is '=' or '!' or '(' or ')' or ',' or '>' or '<';

    private static bool IsWord(string token) => token.Length > 0 && !IsSign(token[0]);

    private List<LabelRequirement> ParseAll()
    {
        var requirements = new List<LabelRequirement>();
        if (_tokens.Count == 0)
        {
            return requirements;
        }

        while (true)
        {
            if (!IsWord(Current) && Current != "!")
            {
                throw new FormatException($"unable to parse requirement: found '{Current}', expected: !, identifier, or 'end of string'");
            }

            requirements.Add(ParseOne());
            if (_at >= _tokens.Count)
            {
                return requirements;
            }

            if (Current != ",")
            {
                throw new FormatException($"unable to parse requirement: found '{Current}', expected: ',' or 'end of string'");
            }

            _at++;
            if (!IsWord(Current) && Current != "!")
            {
                throw new FormatException($"unable to parse requirement: found '{Current}', expected: identifier after ','");
            }
        }
    }

    private LabelRequirement ParseOne()
    {
        var negated = Current == "!";
        if (negated)
        {
            _at++;
        }

        var key = Current;
        if (!IsWord(key))
        {
            throw new FormatException($"unable to parse requirement: found '{key}', expected: identifier");
        }

        _at++;
        CheckKey(key);
        if (negated || _at >= _tokens.Count || Current == ",")
        {
            return new LabelRequirement(key, negated ? LabelOperator.DoesNotExist : LabelOperator.Exists, []);
        }

        var sign = Current;
        _at++;
        switch (sign)
        {
            case "=" or "==":
                return new LabelRequirement(key, LabelOperator.In, [ParseExactValue(key)]);
            case "!=":
                return new LabelRequirement(key, LabelOperator.NotIn, [ParseExactValue(key)]);
            case "in" or "notin":
                return new LabelRequirement(key, sign == "in" ? LabelOperator.In : LabelOperator.NotIn, ParseValues(key));
            case ">" or "<":
                var bound = ParseExactValue(key);
                if (!long.TryParse(bound, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
                {
                    throw new FormatException(
                        $"values[0][{key}]: Invalid value: \"{bound}\": for 'Gt', 'Lt' operators, the value must be an integer");
                }

                return new LabelRequirement(key, sign == ">" ? LabelOperator.GreaterThan : LabelOperator.LessThan, [bound]);
            default:
                throw new FormatException($"unable to parse requirement: found '{sign}', expected: in, notin, =, ==, !=, gt, lt");
        }
    }

    private string ParseExactValue(string key)
    {
        // 'a=' and 'a=,b' compare with the empty string.
        if (_at >= _tokens.Count || Current == ",")
        {
            return "";
        }

        if (!IsWord(Current))
        {
            throw new FormatException($"unable to parse requirement: found '{Current}', expected: identifier");
        }

        var value = _tokens[_at++];
        CheckValue(key, value, 0);
        return value;
    }

    private List<string> ParseValues(string key)
    {
        if (Current != "(")
        {
            throw new FormatException($"unable to parse requirement: found '{Current}' expected: '('");
        }

        _at++;
        var values = new SortedSet<string>(StringComparer.Ordinal);
        var expectsValue = true;
        while (true)
        {
            if (IsWord(Current))
            {
                if (!expectsValue)
                {
                    throw new FormatException($"unable to parse requirement: found '{Current}', expected: ',' or ')'");
                }

                CheckValue(key, Current, values.Count);
                values.Add(Current);
                expectsValue = false;
            }
            else if (Current == ",")
            {
                if (expectsValue)
                {
                    // Two commas in a row hold the empty string between them.
                    values.Add("");
                }

                expectsValue = true;
            }
            else if (Current == ")")
            {
                if (expectsValue)
                {
                    values.Add("");
                }

                _at++;
                return [.. values];
            }
            else
            {
                throw new FormatException($"unable to parse requirement: found '{Current}', expected: ',', ')' or identifier");
            }

            _at++;
        }
    }

    private static void CheckKey(string key)
    {
        if (NameRules.QualifiedName(key) is { Count: > 0 } problems)
        {
            throw new FormatException($"unable to parse requirement: key: Invalid value: \"{key}\": {string.Join("; ", problems)}");
        }
    }

    private static void CheckValue(string key, string value, int index)
    {
        if (NameRules.LabelValue(value) is { Count: > 0 } problems)
        {
            throw new FormatException($"unable to parse requirement: values[{index}][{key}]: Invalid value: \"{value}\": {string.Join("; ", problems)}");
        }
    }
}
