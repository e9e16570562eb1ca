using Trireme.Component.Flags;

namespace Trireme.Component.Tests.Flags;

public sealed class GoDurationTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("500ms", 500)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("-2s", -2_000)]
    public void Durations_are_read_as_Go_writes_them(string text, double milliseconds) =>
        Assert.Equal(milliseconds, GoDuration.Parse(text).TotalMilliseconds);

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("1m 30s")]
    [InlineData("1d")]
    public void Anything_else_is_refused(string text) => Assert.False(GoDuration.TryParse(text, out _));
}
