using CsCheck;

namespace Trireme.Api.Tests;

public sealed class QuantityTests
{
    [Theory]
    [InlineData("0.5", "500m")]
    [InlineData("1000m", "1")]
    [InlineData("1024Mi", "1Gi")]
    [InlineData("1.5Gi", "1536Mi")]
    [InlineData("0.5Ki", "512")]
    [InlineData("1500", "1500")]
    [InlineData("12000", "12k")]
    [InlineData("1e3", "1e3")]
    [InlineData("1E", "1E")]
    [InlineData("+1", "1")]
    [InlineData("-0.5", "-500m")]
    [InlineData(".5", "500m")]
    [InlineData("0.1n", "1n")]
    [InlineData("0Gi", "0")]
    [InlineData("9999999999E", "9223372036854775807")]
    [InlineData("1.123456789Ei", "1295257491534657012")]
    [InlineData("0.000000000000000000000001", "1n")]
    public void Quantities_have_one_canonical_text(string text, string canonical) => Assert.Equal(canonical, new Quantity(text).Canonical().ToString());

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("1 Gi")]
    [InlineData("1.2.3")]
    [InlineData("1gi")]
    [InlineData("e3")]
    [InlineData("1e")]
    [InlineData("0x10")]
    [InlineData("--1")]
    public void Other_texts_are_refused(string text) => Assert.False(Quantity.TryParse(text, out _));

    [Fact]
    public void Canonical_text_means_the_same_amount_and_is_stable() =>
        Gen.Select(Gen.Long[-1_000_000_000, 1_000_000_000], Gen.Int[0, 6], Gen.OneOf("", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"))
            .Sample((mantissa, scale, suffix) =>
            {
                var text = (mantissa / (decimal)Math.Pow(10, scale)).ToString(System.Globalization.CultureInfo.InvariantCulture) + suffix;
                var quantity = new Quantity(text);
                var canonical = quantity.Canonical();
                // Amounts in powers of 1024 have no parts: they round away from zero.
                var isWhole = quantity.Format == QuantityFormat.BinarySI && Math.Abs(quantity.Value) >= 1024;
                var expected = !isWhole ? quantity.Value : quantity.Value > 0 ? decimal.Ceiling(quantity.Value) : decimal.Floor(quantity.Value);
                return canonical.Value == expected && canonical.Canonical().ToString() == canonical.ToString();
            });

    [Fact]
    public void Sums_are_exact_and_commute() =>
        Gen.Select(Gen.Long[-1_000_000, 1_000_000], Gen.Long[-1_000_000, 1_000_000]).Sample((a, b) =>
        {
            var left = Quantity.OfMilli(a);
            var right = Quantity.OfMilli(b);
            return (left + right).MilliValue == a + b && left + right == right + left && (left - right).MilliValue == a - b && (left + -left).Value == 0;
        });

    [Fact]
    public void A_sum_keeps_the_format_of_its_first_operand()
    {
        Assert.Equal("2Gi", (new Quantity("1Gi") + new Quantity("1073741824")).ToString());
        Assert.Equal("1Gi", (new Quantity("0") + new Quantity("1Gi")).ToString());
        Assert.Equal(1, new Quantity("1n").MilliValue);
        Assert.Equal(long.MaxValue, new Quantity("9E").MilliValue);
    }
}
