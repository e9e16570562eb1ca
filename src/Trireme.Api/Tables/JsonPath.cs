using System.Globalization;
using System.Text;
using Trireme.Api.Documents;

namespace Trireme.Api.Tables;

/// <summary>
/// The part of JSONPath that printer columns and scale paths use: <c>.spec.a</c>, <c>['a.b']</c>, <c>\.</c> in names, <c>[0]</c>, <c>[*]</c>,
/// <c>[?(@.type=="Ready")]</c>.
/// </summary>
/// <remarks>https://kubernetes.io/docs/reference/kubectl/jsonpath/</remarks>
public sealed class JsonPath
{
    private readonly List<Step> _steps;

    private JsonPath(List<Step> steps) => _steps = steps;

    /// <summary>Reads a path; false when it uses anything else.</summary>
    public static bool TryParse(string text, out JsonPath path)
    {
        var steps = new List<Step>();
        path = new JsonPath(steps);
        var span = text.Trim().TrimStart('{').TrimEnd('}').TrimStart('$').AsSpan();
        while (!span.IsEmpty)
        {
            if (!TryReadStep(ref span, steps))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The first value at the path; null when there is none.</summary>
    public ApiNode? First(ApiNode root)
    {
        foreach (var node in Find(root))
        {
            return node;
        }

        return null;
    }

    /// <summary>Every value at the path, JSON nulls left out.</summary>
    public IEnumerable<ApiNode> Find(ApiNode root)
    {
        IEnumerable<ApiNode> nodes = [root];
        foreach (var step in _steps)
        {
            nodes = nodes.SelectMany(step.Select);
        }

        return nodes;
    }

    private static bool TryReadStep(ref ReadOnlySpan<char> span, List<Step> steps)
    {
        if (span[0] == '.')
        {
            span = span[1..];
            if (span.IsEmpty)
            {
                return true;
            }
        }

        if (span[0] != '[')
        {
            return TryReadName(ref span, steps);
        }

        var end = span.IndexOf(']');
        if (span.StartsWith("[?("))
        {
            end = span.IndexOf(")]");
            if (end < 0 || !TryReadFilter(span[3..end], out var filter))
            {
                return false;
            }

            steps.Add(filter);
            span = span[(end + 2)..];
            return true;
        }

        if (end < 0)
        {
            return false;
        }

        var inner = span[1..end].Trim();
        span = span[(end + 1)..];
        if (inner is "*")
        {
            steps.Add(new EveryStep());
        }
        else if (inner is ['\'' or '"', .., '\'' or '"'])
        {
            steps.Add(new NameStep(inner[1..^1].ToString()));
        }
        else if (int.TryParse(inner, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index))
        {
            steps.Add(new IndexStep(index));
        }
        else
        {
            return false;
        }

        return true;
    }

    private static bool TryReadName(ref ReadOnlySpan<char> span, List<Step> steps)
    {
        var name = new StringBuilder();
        var i = 0;
        for (; i < span.Length && span[i] is not ('.' or '['); i++)
        {
            if (span[i] == '\\' && i + 1 < span.Length)
            {
                i++;
            }

            name.Append(span[i]);
        }

        span = span[i..];
        if (name.Length == 0)
        {
            return false;
        }

        steps.Add(name.ToString() == "*" ? new EveryStep() : new NameStep(name.ToString()));
        return true;
    }

    /// <summary><c>@.type=="Ready"</c>.</summary>
    private static bool TryReadFilter(ReadOnlySpan<char> text, out Step filter)
    {
        filter = new EveryStep();
        var isEqual = true;
        var at = text.IndexOf("==");
        if (at < 0)
        {
            at = text.IndexOf("!=");
            isEqual = false;
        }

        if (at < 0)
        {
            return false;
        }

        var left = text[..at].Trim();
        var right = text[(at + 2)..].Trim();
        if (!left.StartsWith("@") || !TryParse(left[1..].ToString(), out var path))
        {
            return false;
        }

        filter = new FilterStep(path, (right is ['\'' or '"', .., '\'' or '"'] ? right[1..^1] : right).ToString(), isEqual);
        return true;
    }

    private abstract class Step
    {
        public abstract IEnumerable<ApiNode> Select(ApiNode node);
    }

    private sealed class NameStep(string name) : Step
    {
        public override IEnumerable<ApiNode> Select(ApiNode node) => node[name] is { } value ? [value] : [];
    }

    private sealed class IndexStep(int index) : Step
    {
        public override IEnumerable<ApiNode> Select(ApiNode node) =>
            node is ApiArray array && node[index < 0 ? array.Count + index : index] is { } value ? [value] : [];
    }

    private sealed class EveryStep : Step
    {
        public override IEnumerable<ApiNode> Select(ApiNode node) => node switch
        {
            ApiArray array => array,
            ApiObject o => o.Select(f => f.Value),
            _ => [],
        };
    }

    private sealed class FilterStep(JsonPath path, string value, bool isEqual) : Step
    {
        public override IEnumerable<ApiNode> Select(ApiNode node) =>
            (node as ApiArray ?? []).Where(i => (path.First(i) is { } found ? found.AsString() ?? found.ToString() : null) == value == isEqual);
    }
}
