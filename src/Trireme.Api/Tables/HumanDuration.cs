using System.Globalization;
using Trireme.Api.Models;

namespace Trireme.Api.Tables;

/// <summary>Durations as <c>kubectl get</c> shows ages: the shorter they are, the finer.</summary>
public static class HumanDuration
{
    /// <summary>For example <c>45s</c>, <c>5m30s</c>, <c>3h</c>, <c>2d4h</c>, <c>400d</c>, <c>3y20d</c>.</summary>
    public static string Format(TimeSpan duration)
    {
        var seconds = (long)duration.TotalSeconds;
        if (seconds < -1)
        {
            return "<invalid>";
        }

        var minutes = seconds / 60;
        var hours = minutes / 60;
        return seconds switch
        {
            < 0 => "0s",
            < 120 => Join(seconds, "s", 0, ""),
            _ when minutes < 10 => Join(minutes, "m", seconds % 60, "s"),
            _ when minutes < 180 => Join(minutes, "m", 0, ""),
            _ when hours < 8 => Join(hours, "h", minutes % 60, "m"),
            _ when hours < 48 => Join(hours, "h", 0, ""),
            _ when hours < 24 * 8 => Join(hours / 24, "d", hours % 24, "h"),
            _ when hours < 24 * 365 * 2 => Join(hours / 24, "d", 0, ""),
            _ when hours < 24 * 365 * 8 => Join(hours / 24 / 365, "y", hours / 24 % 365, "d"),
            _ => Join(hours / 24 / 365, "y", 0, ""),
        };
    }

    /// <summary>Time since an RFC 3339 time; <c>&lt;unknown&gt;</c> without one.</summary>
    public static string Since(string? time, DateTimeOffset now) =>
        time is not null && KubernetesTime.TryParse(time, out var then) ? Format(now - then) : "<unknown>";

    private static string Join(long large, string largeUnit, long small, string smallUnit) =>
        small == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{large}{largeUnit}")
            : string.Create(CultureInfo.InvariantCulture, $"{large}{largeUnit}{small}{smallUnit}");
}
