using System.Globalization;

namespace Trireme.Api.Models;

/// <summary>The two time formats of the API: <c>Time</c> in whole seconds and <c>MicroTime</c> in microseconds, both RFC 3339 in UTC.</summary>
public static class KubernetesTime
{
    /// <summary>Formats as <c>metav1.Time</c>: <c>2026-01-02T03:04:05Z</c>.</summary>
    public static string Format(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>Formats as <c>metav1.MicroTime</c>: <c>2026-01-02T03:04:05.123456Z</c>.</summary>
    public static string FormatMicro(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Reads RFC 3339.</summary>
    public static bool TryParse(string text, out DateTimeOffset time)
    {
        time = default;
        return text.Length >= 20 && text[4] == '-' && text[7] == '-' && text[10] is 'T' or 't' && text[13] == ':' && text[16] == ':'
            && (text[^1] is 'Z' or 'z' || text[^3] == ':')
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);
    }
}
