using System.Globalization;
using System.Text.Json;

namespace Trireme.Api;

/// <summary>An amount with a suffix, such as <c>500m</c>, <c>1Gi</c> or <c>2e3</c>. The text is kept as it was given.</summary>
/// <remarks>Format: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/</remarks>
public readonly struct Quantity : IEquatable<Quantity>, IComparable<Quantity>
{
    private readonly string? _text;

    /// <summary>Keeps <paramref name="text"/>; it is checked when its value is first asked for.</summary>
    public Quantity(string text) => _text = text;

    /// <summary>The exact amount in units (cores, bytes, pieces).</summary>
    /// <exception cref="FormatException">The text is no quantity.</exception>
    public decimal Value => TryParse(_text ?? "0", out var value)
        ? value
        : throw new FormatException($"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': {_text}");

    /// <summary>The amount in thousandths, rounded up, as CPU is counted.</summary>
    public long MilliValue => (long)decimal.Ceiling(Value * 1000);

    /// <summary>The amount in whole units, rounded up, as memory is counted.</summary>
    public long LongValue => (long)decimal.Ceiling(Value);

    public static implicit operator Quantity(string text) => new(text);

    public static bool operator ==(Quantity left, Quantity right) => left.Equals(right);

    public static bool operator !=(Quantity left, Quantity right) => !left.Equals(right);

    public static bool operator <(Quantity left, Quantity right) => left.CompareTo(right) < 0;

    public static bool operator >(Quantity left, Quantity right) => left.CompareTo(right) > 0;

    public static bool operator <=(Quantity left, Quantity right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Quantity left, Quantity right) => left.CompareTo(right) >= 0;

    /// <summary>Reads the amount of a quantity's text.</summary>
    public static bool TryParse(string text, out decimal value)
    {
        value = 0;
        var end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.' || (end == 0 && text[end] is '+' or '-')))
        {
            end++;
        }

        if (!decimal.TryParse(text.AsSpan(0, end), NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        if (!TryMultiplier(text.AsSpan(end), out var multiplier))
        {
            return false;
        }

        try
        {
            value = number * multiplier;
            return true;
        }
        catch (OverflowException)
        {
            value = number < 0 ? decimal.MinValue : decimal.MaxValue;
            return true;
        }
    }

    public int CompareTo(Quantity other) => Value.CompareTo(other.Value);

    public bool Equals(Quantity other) => _text == other._text || Value == other.Value;

    public override bool Equals(object? obj) => obj is Quantity other && Equals(other);

    public override int GetHashCode() => Value.GetHashCode();

    public override string ToString() => _text ?? "0";

    public void Write(Utf8JsonWriter writer) => writer.WriteStringValue(ToString());

    private static bool TryMultiplier(ReadOnlySpan<char> suffix, out decimal multiplier)
    {
        multiplier = suffix switch
        {
            "" => 1m,
            "n" => 0.000000001m,
            "u" => 0.000001m,
            "m" => 0.001m,
            "k" => 1_000m,
            "M" => 1_000_000m,
            "G" => 1_000_000_000m,
            "T" => 1_000_000_000_000m,
            "P" => 1_000_000_000_000_000m,
            "E" => 1_000_000_000_000_000_000m,
            "Ki" => 1024m,
            "Mi" => 1024m * 1024,
            "Gi" => 1024m * 1024 * 1024,
            "Ti" => 1024m * 1024 * 1024 * 1024,
            "Pi" => 1024m * 1024 * 1024 * 1024 * 1024,
            "Ei" => 1024m * 1024 * 1024 * 1024 * 1024 * 1024,
            _ => 0m,
        };
        if (multiplier != 0)
        {
            return true;
        }

        if (suffix.Length < 2 || suffix[0] is not ('e' or 'E')
            || !int.TryParse(suffix[1..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent)
            || exponent is < -28 or > 28)
        {
            return false;
        }

        multiplier = 1m;
        for (var i = 0; i < Math.Abs(exponent); i++)
        {
            multiplier = exponent > 0 ? multiplier * 10 : multiplier / 10;
        }

        return true;
    }
}
