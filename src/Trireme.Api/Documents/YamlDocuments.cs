using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Trireme.Api.Documents;

/// <summary>YAML to documents and back, with the scalars that Kubernetes' tools read (YAML 1.1 booleans, 1.2 numbers). No reflection: parser events only.</summary>
public static partial class YamlDocuments
{
    /// <summary>Reads a stream of YAML documents; empty ones are skipped. JSON is YAML too.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="duplicateFields">Takes a message for each key given twice in one mapping: <c>line 10: key "env" already set in map</c>.</param>
    /// <exception cref="ApiDocumentException">The text is no YAML, or a document is no object.</exception>
    public static IReadOnlyList<ApiDocument> ParseAll(string yaml, ICollection<string>? duplicateFields = null)
    {
        var documents = new List<ApiDocument>();
        foreach (var node in ParseNodes(yaml, duplicateFields))
        {
            documents.Add(node is ApiObject root ? new ApiDocument(root) : throw new ApiDocumentException("error converting YAML to JSON: document is not an object"));
        }

        return documents;
    }

    /// <summary>Reads exactly one document.</summary>
    /// <exception cref="ApiDocumentException">The text is no YAML, or holds no or several documents.</exception>
    public static ApiDocument Parse(string yaml, ICollection<string>? duplicateFields = null)
    {
        var all = ParseAll(yaml, duplicateFields);
        return all.Count == 1 ? all[0] : throw new ApiDocumentException($"error converting YAML to JSON: expected one document, found {all.Count}");
    }

    /// <summary>Reads exactly one document from UTF-8.</summary>
    /// <exception cref="ApiDocumentException">The bytes are no YAML, or hold no or several documents.</exception>
    public static ApiDocument Parse(ReadOnlySpan<byte> utf8, ICollection<string>? duplicateFields = null) =>
        Parse(Encoding.UTF8.GetString(utf8), duplicateFields);

    /// <summary>Writes one document as YAML; ends with a line break.</summary>
    public static string ToYaml(ApiNode node)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        var emitter = new Emitter(text, new EmitterSettings(bestIndent: 2, bestWidth: int.MaxValue, isCanonical: false, maxSimpleKeyLength: 1024));
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart());
        Emit(emitter, node);
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString().Replace("\r\n", "\n", StringComparison.Ordinal);
    }

    private static List<ApiNode> ParseNodes(string yaml, ICollection<string>? duplicates)
    {
        var nodes = new List<ApiNode>();
        try
        {
            var parser = new Parser(new StringReader(yaml));
            parser.Consume<StreamStart>();
            while (!parser.Accept<StreamEnd>(out _))
            {
                parser.Consume<DocumentStart>();
                var anchors = new Dictionary<string, ApiNode>(StringComparer.Ordinal);
                var budget = 1_000_000;
                var node = Read(parser, anchors, duplicates, 0, ref budget);
                parser.Consume<DocumentEnd>();
                if (node.Kind != System.Text.Json.JsonValueKind.Null)
                {
                    nodes.Add(node);
                }
            }
        }
        catch (YamlException e)
        {
            throw new ApiDocumentException($"error converting YAML to JSON: yaml: line {e.Start.Line}: {e.Message}", e);
        }

        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet's scanner reports some malformed input as a broken invariant of its own.
            throw new ApiDocumentException("error converting YAML to JSON: yaml: malformed document", e);
        }

        return nodes;
    }

    /// <remarks>The budget is the number of nodes that one document may still unfold to: aliases of aliases must not exhaust the memory.</remarks>
    private static ApiNode Read(IParser parser, Dictionary<string, ApiNode> anchors, ICollection<string>? duplicates, int depth, ref int budget)
    {
        if (depth > JsonDepth.Read || --budget < 0)
        {
            throw new ApiDocumentException("error converting YAML to JSON: yaml: document contains excessive aliasing or nesting");
        }

        if (parser.TryConsume<AnchorAlias>(out var alias))
        {
            var target = anchors.TryGetValue(alias.Value.Value, out var known)
                ? known
                : throw new ApiDocumentException($"error converting YAML to JSON: yaml: line {alias.Start.Line}: unknown anchor '{alias.Value.Value}' referenced");
            if (target.IsDeeperThan(JsonDepth.Read - depth))
            {
                throw new ApiDocumentException("error converting YAML to JSON: yaml: document contains excessive aliasing or nesting");
            }

            budget -= CountNodes(target);
            return target.DeepClone();
        }

        ApiNode node;
        AnchorName anchor;
        if (parser.TryConsume<MappingStart>(out var mapping))
        {
            anchor = mapping.Anchor;
            var result = new ApiObject();
            var merges = new List<ApiNode>();
            while (!parser.TryConsume<MappingEnd>(out _))
            {
                if (!parser.TryConsume<Scalar>(out var key))
                {
                    throw new ApiDocumentException($"error converting YAML to JSON: yaml: line {parser.Current?.Start.Line}: mapping keys must be scalars");
                }

                var value = Read(parser, anchors, duplicates, depth + 1, ref budget);
                if (key.Value == "<<" && key.Style == ScalarStyle.Plain)
                {
                    merges.Add(value);
                    continue;
                }

                if (result.ContainsKey(key.Value))
                {
                    duplicates?.Add($"line {key.Start.Line}: key \"{key.Value}\" already set in map");
                }

                result.Set(key.Value, value);
            }

            Merge(result, merges);
            node = result;
        }
        else if (parser.TryConsume<SequenceStart>(out var sequence))
        {
            anchor = sequence.Anchor;
            var result = new ApiArray();
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                result.Add(Read(parser, anchors, duplicates, depth + 1, ref budget));
            }

            node = result;
        }
        else
        {
            var scalar = parser.Consume<Scalar>();
            anchor = scalar.Anchor;
            node = ReadScalar(scalar);
        }

        if (!anchor.IsEmpty)
        {
            anchors[anchor.Value] = node;
        }

        return node;
    }

    private static int CountNodes(ApiNode node) => node switch
    {
        ApiObject o => 1 + o.Sum(f => CountNodes(f.Value)),
        ApiArray a => 1 + a.Sum(CountNodes),
        _ => 1,
    };

    private static void Merge(ApiObject target, List<ApiNode> merges)
    {
        foreach (var merge in merges)
        {
            foreach (var source in merge is ApiArray list ? list.Objects : merge is ApiObject one ? [one] : [])
            {
                foreach (var (name, value) in source)
                {
                    if (!target.ContainsKey(name))
                    {
                        target.Set(name, value.DeepClone());
                    }
                }
            }
        }
    }

    private static ApiNode ReadScalar(Scalar scalar)
    {
        var text = scalar.Value;
        var tag = scalar.Tag.IsEmpty ? "" : scalar.Tag.Value;
        if (tag is "tag:yaml.org,2002:str" or "!" || tag.StartsWith('!') || (tag.Length == 0 && scalar.Style != ScalarStyle.Plain))
        {
            return ApiScalar.String(text);
        }

        if (tag == "tag:yaml.org,2002:binary")
        {
            return ApiScalar.String(Encoding.UTF8.GetString(Convert.FromBase64String(text)));
        }

        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return ApiScalar.Null;
            // go-yaml reads the words of YAML 1.1 as booleans, except y and n.
            case "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON":
                return ApiScalar.True;
            case "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF":
                return ApiScalar.False;
        }

        return ReadNumber(text) ?? ApiScalar.String(text);
    }

    private static ApiScalar? ReadNumber(string text)
    {
        if (text.Length == 0 || !(char.IsAsciiDigit(text[0]) || text[0] is '-' or '+' or '.'))
        {
            return null;
        }

        if (JsonNumber().IsMatch(text))
        {
            return ApiScalar.NumberText(text);
        }

        var plain = text.Replace("_", "", StringComparison.Ordinal);
        var negative = plain.StartsWith('-');
        var digits = plain.TrimStart('+', '-');
        if (plain.Length - digits.Length > 1 || digits.Length == 0)
        {
            return null;
        }

        try
        {
            long? whole = digits switch
            {
                ['0', 'x' or 'X', ..] => Convert.ToInt64(digits[2..], 16),
                ['0', 'b' or 'B', ..] => Convert.ToInt64(digits[2..], 2),
                ['0', 'o' or 'O', ..] => Convert.ToInt64(digits[2..], 8),
                // YAML 1.1: a leading zero is octal, which file modes (0644) rely on.
                ['0', _, ..] when digits.All(c => c is >= '0' and <= '7') => Convert.ToInt64(digits, 8),
                _ when digits.All(char.IsAsciiDigit) => long.Parse(digits, CultureInfo.InvariantCulture),
                _ => null,
            };
            if (whole is { } n)
            {
                return ApiScalar.Number(negative ? -n : n);
            }
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentOutOfRangeException)
        {
            return null;
        }

        return YamlFloat().IsMatch(plain) && double.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? ApiScalar.NumberText(number.ToString("R", CultureInfo.InvariantCulture))
            : null;
    }

    private static void Emit(Emitter emitter, ApiNode node)
    {
        switch (node)
        {
            case ApiObject o:
                emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, isImplicit: true, o.Count == 0 ? MappingStyle.Flow : MappingStyle.Block));
                foreach (var (name, value) in o)
                {
                    EmitString(emitter, name);
                    Emit(emitter, value);
                }

                emitter.Emit(new MappingEnd());
                break;
            case ApiArray a:
                emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, isImplicit: true, a.Count == 0 ? SequenceStyle.Flow : SequenceStyle.Block));
                foreach (var item in a)
                {
                    Emit(emitter, item);
                }

                emitter.Emit(new SequenceEnd());
                break;
            case ApiScalar { Kind: System.Text.Json.JsonValueKind.String } text:
                EmitString(emitter, text.Text);
                break;
            case ApiScalar scalar:
                emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, scalar.Text, ScalarStyle.Plain, isPlainImplicit: true, isQuotedImplicit: false));
                break;
        }
    }

    private static void EmitString(Emitter emitter, string text)
    {
        // Whatever would be read as something else than this string is quoted.
        var plain = new Scalar(AnchorName.Empty, TagName.Empty, text, ScalarStyle.Plain, isPlainImplicit: true, isQuotedImplicit: true);
        var style = text.Contains('\n', StringComparison.Ordinal) && IsLiteral(text) ? ScalarStyle.Literal
            : ReadScalar(plain) is { Kind: System.Text.Json.JsonValueKind.String } && text is not ("<<" or "=" or "y" or "n" or "Y" or "N") ? ScalarStyle.Any
            : ScalarStyle.DoubleQuoted;
        emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, text, style, isPlainImplicit: true, isQuotedImplicit: true));
    }

    private static bool IsLiteral(string text) =>
        !text.StartsWith(' ') && !text.StartsWith('\n') && !text.Contains('\t') && !text.Contains(" \n", StringComparison.Ordinal)
        && text.All(c => c == '\n' || (!char.IsControl(c) && !char.IsSurrogate(c) && c is not ('\u2028' or '\u2029' or '\u0085' or '\uFEFF')));

    [GeneratedRegex("^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?\\z", RegexOptions.CultureInvariant)]
    private static partial Regex JsonNumber();

    [GeneratedRegex("^[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?\\z", RegexOptions.CultureInvariant)]
    private static partial Regex YamlFloat();
}
