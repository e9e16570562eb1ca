using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace Trireme.Component.Metrics;

/// <summary>Metrics of one name, one for each combination of label values.</summary>
public abstract class MetricFamily(string name, string help, string type, IReadOnlyList<string> labels)
{
    public string Name { get; } = name;

    protected IReadOnlyList<string> Labels { get; } = labels;

    internal void WriteTo(StringBuilder text)
    {
        text.Append("# HELP ").Append(Name).Append(' ').Append(help.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('\n');
        text.Append("# TYPE ").Append(Name).Append(' ').Append(type).Append('\n');
        WriteSamples(text);
    }

    private protected abstract void WriteSamples(StringBuilder text);

    private protected void WriteSample(StringBuilder text, string suffix, IReadOnlyList<string> values, string? bound, double value)
    {
        text.Append(Name).Append(suffix);
        if (values.Count > 0 || bound is not null)
        {
            var separator = '{';
            for (var i = 0; i < values.Count; i++)
            {
                text.Append(separator).Append(Labels[i]).Append("=\"").Append(Escape(values[i])).Append('"');
                separator = ',';
            }

            if (bound is not null)
            {
                text.Append(separator).Append("le=\"").Append(bound).Append('"');
            }

            text.Append('}');
        }

        text.Append(' ').Append(Format(value)).Append('\n');
    }

    private protected static string Format(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Escape(string value) =>
        value.AsSpan().ContainsAny('\\', '"', '\n')
            ? value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)
            : value;
}

/// <summary>A family whose children are of one type.</summary>
public abstract class MetricFamily<T>(string name, string help, string type, IReadOnlyList<string> labels) : MetricFamily(name, help, type, labels)
    where T : class
{
    private readonly ConcurrentDictionary<LabelValues, T> _children = new();

    /// <summary>The metric with these label values, in the order of the family's labels.</summary>
    /// <exception cref="ArgumentException">The number of values is not that of the labels.</exception>
    public T With(params string[] values)
    {
        if (values.Length != Labels.Count)
        {
            throw new ArgumentException($"{Name} has {Labels.Count} labels, not {values.Length}", nameof(values));
        }

        var key = new LabelValues(values);
        return _children.TryGetValue(key, out var child) ? child : _children.GetOrAdd(key, _ => Create());
    }

    /// <summary>Forgets the metric with these label values.</summary>
    public void Remove(params string[] values) => _children.TryRemove(new LabelValues(values), out _);

    private protected abstract T Create();

    private protected IEnumerable<(IReadOnlyList<string> Values, T Child)> Children =>
        _children.OrderBy(c => string.Join('\0', c.Key.Values), StringComparer.Ordinal).Select(c => ((IReadOnlyList<string>)c.Key.Values, c.Value));

    private readonly struct LabelValues(string[] values) : IEquatable<LabelValues>
    {
        public string[] Values { get; } = values;

        public bool Equals(LabelValues other) => Values.AsSpan().SequenceEqual(other.Values);

        public override bool Equals(object? obj) => obj is LabelValues other && Equals(other);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            foreach (var value in Values)
            {
                hash.Add(value, StringComparer.Ordinal);
            }

            return hash.ToHashCode();
        }
    }
}
