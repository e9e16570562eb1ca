using Trireme.Api.Validation;

namespace Trireme.Api.Tests.Validation;

public sealed class AddressRulesTests
{
    [Theory]
    [InlineData("10.96.0.10", true)]
    [InlineData("2001:db8::FFFF", true)]
    [InlineData("10.96.10", false)]
    [InlineData("10.96.0.010", false)]
    [InlineData("0x7f.0.0.1", false)]
    [InlineData("2130706433", false)]
    [InlineData("[::1]", false)]
    [InlineData("[::1]:80", false)]
    [InlineData("fe80::1%eth0", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData(" 10.0.0.1", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void An_address_has_one_notation(string? text, bool good) => Assert.Equal(good, AddressRules.TryParse(text, out _));

    [Theory]
    [InlineData("10.0.0.0/8", true)]
    [InlineData("2001:db8::/32", true)]
    [InlineData("10.0/8", false)]
    [InlineData("010.0.0.0/8", false)]
    [InlineData("10.0.0.0", false)]
    [InlineData("10.0.0.0/33", false)]
    public void A_range_too(string text, bool good) => Assert.Equal(good, AddressRules.TryParseRange(text, out _));
}
