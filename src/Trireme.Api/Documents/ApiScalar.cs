using System.Globalization;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>A string, number, boolean or null; immutable. A number keeps the text in which it was given.</summary>
public sealed class ApiScalar : ApiNode
{
    private ApiScalar(JsonValueKind kind, string text)
    {
        Kind = kind;
        Text = text;
    }

    public static ApiScalar Null { get; } = new(JsonValueKind.Null, "null");

    public static ApiScalar True { get; } = new(JsonValueKind.True, "true");

    public static ApiScalar False { get; } = new(JsonValueKind.False, "false");

    public static ApiScalar EmptyString { get; } = new(JsonValueKind.String, "");

    /// <inheritdoc/>
    public override JsonValueKind Kind { get; }

    /// <summary>The string's content, the number's text, or <c>true</c>, <c>false</c>, <c>null</c>.</summary>
    public string Text { get; }

    internal long? WholeNumber
    {
        get
        {
            if (long.TryParse(Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            {
                return whole;
            }

            // 1.0 and 1e3 are whole numbers too.
            return decimal.TryParse(Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var exact)
                && decimal.Truncate(exact) == exact && exact is >= long.MinValue and <= long.MaxValue
                ? (long)exact
                : null;
        }
    }

    public static ApiScalar String(string value) => value.Length == 0 ? EmptyString : new(JsonValueKind.String, value);

    public static ApiScalar Number(long value) => new(JsonValueKind.Number, value.ToString(CultureInfo.InvariantCulture));

    /// <summary>A number in the given JSON text, which the caller has checked.</summary>
    public static ApiScalar NumberText(string json) => new(JsonValueKind.Number, json);

    public static ApiScalar Boolean(bool value) => value ? True : False;

    /// <inheritdoc/>
    public override ApiNode DeepClone() => this;

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer)
    {
        switch (Kind)
        {
            case JsonValueKind.String:
                writer.WriteStringValue(Text);
                break;
            case JsonValueKind.Number:
                writer.WriteRawValue(Text, skipInputValidation: true);
                break;
            case JsonValueKind.True:
            case JsonValueKind.False:
                writer.WriteBooleanValue(Kind == JsonValueKind.True);
                break;
            default:
                writer.WriteNullValue();
                break;
        }
    }

    private protected override bool DeepEqualsCore(ApiNode other)
    {
        if (other is not ApiScalar scalar || scalar.Kind != Kind)
        {
            return false;
        }

        if (Text == scalar.Text)
        {
            return true;
        }

        return Kind == JsonValueKind.Number && NumbersEqual(Text, scalar.Text);
    }

    private static bool NumbersEqual(string left, string right)
    {
        if (decimal.TryParse(left, NumberStyles.Float, CultureInfo.InvariantCulture, out var a)
            && decimal.TryParse(right, NumberStyles.Float, CultureInfo.InvariantCulture, out var b)
            && (a != 0 || b != 0))
        {
            return a == b;
        }

        // Outside decimal's range (or so small that it reads as zero) the double decides, as it does for every Go client.
        return double.TryParse(left, NumberStyles.Float, CultureInfo.InvariantCulture, out var x)
            && double.TryParse(right, NumberStyles.Float, CultureInfo.InvariantCulture, out var y)
            && x.Equals(y);
    }
}
