using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Trireme.Api;

/// <summary>How a quantity is written.</summary>
public enum QuantityFormat
{
    /// <summary>Powers of 1000: <c>m</c>, <c>k</c>, <c>M</c>.</summary>
    DecimalSI,

    /// <summary>Powers of 1024: <c>Ki</c>, <c>Mi</c>.</summary>
    BinarySI,

    /// <summary>Scientific: <c>e3</c>, <c>e6</c>.</summary>
    DecimalExponent,
}

/// <summary>An amount with a suffix, such as <c>500m</c>, <c>1Gi</c> or <c>2e3</c>. The text is kept as it was given until <see cref="Canonical"/> is asked for.</summary>
/// <remarks>
/// Amounts are exact to a billionth (smaller parts round away from zero) and capped at ±(2^63-1), as in Kubernetes.
/// Format: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
/// </remarks>
public readonly struct Quantity : IEquatable<Quantity>, IComparable<Quantity>
{
    /// <summary>What Kubernetes says of a text that is no quantity.</summary>
    public const string FormatMessage = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

    private const decimal Cap = long.MaxValue;

    private readonly string? _text;

    /// <summary>Keeps <paramref name="text"/>; it is checked when its value is first asked for.</summary>
    public Quantity(string text) => _text = text;

    /// <summary>The exact amount in units (cores, bytes, pieces).</summary>
    /// <exception cref="FormatException">The text is no quantity.</exception>
    public decimal Value => Parse().Value;

    /// <summary>How the text is written.</summary>
    /// <exception cref="FormatException">The text is no quantity.</exception>
    public QuantityFormat Format => Parse().Format;

    /// <summary>The amount in thousandths, rounded up, as CPU is counted; capped at what a long holds.</summary>
    public long MilliValue => Clamp(decimal.Ceiling(Value * 1000));

    /// <summary>The amount in whole units, rounded up, as memory is counted.</summary>
    public long LongValue => Clamp(decimal.Ceiling(Value));

    public static implicit operator Quantity(string text) => new(text);

    public static bool operator ==(Quantity left, Quantity right) => left.Equals(right);

    public static bool operator !=(Quantity left, Quantity right) => !left.Equals(right);

    public static bool operator <(Quantity left, Quantity right) => left.CompareTo(right) < 0;

    public static bool operator >(Quantity left, Quantity right) => left.CompareTo(right) > 0;

    public static bool operator <=(Quantity left, Quantity right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Quantity left, Quantity right) => left.CompareTo(right) >= 0;

    /// <summary>The sum, written in the format of the first operand that is not zero.</summary>
    public static Quantity operator +(Quantity left, Quantity right) => Combine(left, right, static (a, b) => a + b);

    /// <summary>The difference, written in the format of the first operand that is not zero.</summary>
    public static Quantity operator -(Quantity left, Quantity right) => Combine(left, right, static (a, b) => a - b);

    public static Quantity operator -(Quantity value)
    {
        var (amount, format) = value.Parse();
        return Of(-amount, format);
    }

    /// <summary>The canonical quantity of an amount.</summary>
    public static Quantity Of(decimal value, QuantityFormat format = QuantityFormat.DecimalSI) => new(Write(Bound(value), format));

    /// <summary>The canonical quantity of an amount in thousandths.</summary>
    public static Quantity OfMilli(long milli) => Of(milli / 1000m);

    /// <summary>Reads the amount of a quantity's text.</summary>
    public static bool TryParse(string text, out decimal value) => TryParse(text, out value, out _);

    /// <summary>Reads the amount and the format of a quantity's text.</summary>
    public static bool TryParse(string text, out decimal value, out QuantityFormat format)
    {
        value = 0;
        format = QuantityFormat.DecimalSI;
        var span = text.AsSpan();
        var negative = span.StartsWith("-");
        var rest = span is ['+' or '-', ..] ? span[1..] : span;
        var end = 0;
        var point = -1;
        while (end < rest.Length && (char.IsAsciiDigit(rest[end]) || (rest[end] == '.' && point < 0)))
        {
            point = rest[end] == '.' ? end : point;
            end++;
        }

        var digits = end - (point < 0 ? 0 : 1);
        if (digits == 0 || !TrySuffix(rest[end..], out var power10, out var power2, out format))
        {
            return false;
        }

        var fraction = point < 0 ? 0 : end - point - 1;
        value = digits <= 15 && power2 == 0 && power10 - fraction is >= -9 and <= 12
            ? Shift(decimal.Parse(rest[..end], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture), power10)
            : Exact(rest[..end], fraction, power10, power2);
        value = negative ? -value : value;
        return true;
    }

    /// <summary>The same amount as Kubernetes writes it: no fraction, the greatest suffix, no needless sign (<c>0.5</c> is <c>500m</c>, <c>1024Mi</c> is <c>1Gi</c>).</summary>
    /// <exception cref="FormatException">The text is no quantity.</exception>
    public Quantity Canonical()
    {
        var (value, format) = Parse();
        return new(Write(value, format));
    }

    public int CompareTo(Quantity other) => Value.CompareTo(other.Value);

    public bool Equals(Quantity other) => _text == other._text || Value == other.Value;

    public override bool Equals(object? obj) => obj is Quantity other && Equals(other);

    public override int GetHashCode() => Value.GetHashCode();

    public override string ToString() => _text ?? "0";

    public void Write(Utf8JsonWriter writer) => writer.WriteStringValue(ToString());

    private static Quantity Combine(Quantity left, Quantity right, Func<decimal, decimal, decimal> operation)
    {
        var (a, format) = left.Parse();
        var (b, other) = right.Parse();
        return Of(operation(a, b), a == 0 ? other : format);
    }

    private static decimal Bound(decimal value) => Math.Clamp(value, -Cap, Cap);

    private static long Clamp(decimal value) => value >= long.MaxValue ? long.MaxValue : value <= long.MinValue ? long.MinValue : (long)value;

    private static decimal Shift(decimal value, int power10)
    {
        for (; power10 > 0; power10--)
        {
            value *= 10;
        }

        for (; power10 < 0; power10++)
        {
            value /= 10;
        }

        return value;
    }

    /// <summary>Any number of digits: in billionths as an integer, rounded away from zero, capped.</summary>
    private static decimal Exact(ReadOnlySpan<char> number, int fraction, int power10, int power2)
    {
        var mantissa = BigInteger.Parse(number.ToString().Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        if (mantissa.IsZero)
        {
            return 0;
        }

        mantissa <<= power2;
        var exponent = power10 - fraction + 9;
        if (exponent > 60)
        {
            return Cap;
        }

        if (exponent >= 0)
        {
            mantissa *= BigInteger.Pow(10, exponent);
        }
        else
        {
            var divisor = BigInteger.Pow(10, -exponent);
            mantissa = (mantissa + divisor - 1) / divisor;
        }

        return mantissa >= new BigInteger(long.MaxValue) * 1_000_000_000 ? Cap : (decimal)mantissa / 1_000_000_000m;
    }

    private static string Write(decimal value, QuantityFormat format)
    {
        if (value == 0)
        {
            return "0";
        }

        if (format == QuantityFormat.BinarySI && value is <= -1024 or >= 1024 && format == QuantityFormat.BinarySI)
        {
            var whole = new BigInteger(value > 0 ? decimal.Ceiling(value) : decimal.Floor(value));
            var binary = 0;
            while (binary < 6 && (whole % 1024).IsZero)
            {
                whole /= 1024;
                binary++;
            }

            return whole.ToString(CultureInfo.InvariantCulture) + BinarySuffixes[binary];
        }

        var mantissa = new BigInteger(value * 1_000_000_000m);
        var exponent = -9;
        while (exponent < 18 && (mantissa % 1000).IsZero)
        {
            mantissa /= 1000;
            exponent += 3;
        }

        var text = mantissa.ToString(CultureInfo.InvariantCulture);
        return format == QuantityFormat.DecimalExponent
            ? exponent == 0 ? text : string.Create(CultureInfo.InvariantCulture, $"{text}e{exponent}")
            : text + DecimalSuffixes[(exponent + 9) / 3];
    }

    private static string[] DecimalSuffixes { get; } = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

    private static string[] BinarySuffixes { get; } = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

    private static bool TrySuffix(ReadOnlySpan<char> suffix, out int power10, out int power2, out QuantityFormat format)
    {
        (power10, power2, format) = suffix switch
        {
            "" => (0, 0, QuantityFormat.DecimalSI),
            "n" => (-9, 0, QuantityFormat.DecimalSI),
            "u" => (-6, 0, QuantityFormat.DecimalSI),
            "m" => (-3, 0, QuantityFormat.DecimalSI),
            "k" => (3, 0, QuantityFormat.DecimalSI),
            "M" => (6, 0, QuantityFormat.DecimalSI),
            "G" => (9, 0, QuantityFormat.DecimalSI),
            "T" => (12, 0, QuantityFormat.DecimalSI),
            "P" => (15, 0, QuantityFormat.DecimalSI),
            "E" => (18, 0, QuantityFormat.DecimalSI),
            "Ki" => (0, 10, QuantityFormat.BinarySI),
            "Mi" => (0, 20, QuantityFormat.BinarySI),
            "Gi" => (0, 30, QuantityFormat.BinarySI),
            "Ti" => (0, 40, QuantityFormat.BinarySI),
            "Pi" => (0, 50, QuantityFormat.BinarySI),
            "Ei" => (0, 60, QuantityFormat.BinarySI),
            _ => (int.MinValue, 0, QuantityFormat.DecimalExponent),
        };
        return power10 != int.MinValue
            || (suffix.Length >= 2 && suffix[0] is 'e' or 'E'
                && int.TryParse(suffix[1..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out power10)
                && power10 is > -10_000 and < 10_000);
    }

    private (decimal Value, QuantityFormat Format) Parse() =>
        TryParse(_text ?? "0", out var value, out var format) ? (value, format) : throw new FormatException($"{FormatMessage}: {_text}");
}
