using System.Globalization;

namespace Trireme.Api;

/// <summary>Durations as Go writes them: <c>1h15m30.5s</c>, <c>250ms</c>.</summary>
public static class GoDuration
{
    /// <summary>Reads a duration; false where Go would refuse it.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        var span = text.AsSpan();
        var negative = span.StartsWith("-");
        span = span is ['+' or '-', ..] ? span[1..] : span;
        if (span is "0")
        {
            return true;
        }

        if (span.IsEmpty)
        {
            return false;
        }

        decimal ticks = 0;
        while (!span.IsEmpty)
        {
            var digits = 0;
            while (digits < span.Length && (char.IsAsciiDigit(span[digits]) || span[digits] == '.'))
            {
                digits++;
            }

            if (!decimal.TryParse(span[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount))
            {
                return false;
            }

            span = span[digits..];
            var (length, unit) = span switch
            {
                ['n', 's', ..] => (2, 0.01m),
                ['u' or 'µ' or 'μ', 's', ..] => (2, 10m),
                ['m', 's', ..] => (2, TimeSpan.TicksPerMillisecond),
                ['s', ..] => (1, TimeSpan.TicksPerSecond),
                ['m', ..] => (1, TimeSpan.TicksPerMinute),
                ['h', ..] => (1, TimeSpan.TicksPerHour),
                _ => (0, 0m),
            };
            if (length == 0)
            {
                return false;
            }

            ticks += amount * unit;
            span = span[length..];
        }

        if (ticks > long.MaxValue)
        {
            return false;
        }

        duration = TimeSpan.FromTicks((long)(negative ? -ticks : ticks));
        return true;
    }
}
