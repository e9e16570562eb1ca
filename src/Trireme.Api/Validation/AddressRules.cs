using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace Trireme.Api.Validation;

/// <summary>
/// IP addresses and ranges in the one notation that everybody reads alike. .NET, as C libraries, also takes <c>10.96.10</c> and octal numbers, and makes other
/// addresses of them than the next reader.
/// </summary>
public static class AddressRules
{
    public const string AddressMessage = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    public const string RangeMessage = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

    private static readonly SearchValues<char> s_characters = SearchValues.Create("0123456789abcdefABCDEF:.");

    /// <summary>Reads an address: four numbers without leading zeros, or IPv6 without zone, brackets or an IPv4 address within it.</summary>
    public static bool TryParse(string? text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IPAddress? address) =>
        IPAddress.TryParse(text, out address)
        && (address.AddressFamily == AddressFamily.InterNetwork
            ? address.ToString() == text
            : text.AsSpan().IndexOfAnyExcept(s_characters) < 0 && !address.IsIPv4MappedToIPv6);

    /// <summary>Reads <c>ADDRESS/LENGTH</c>.</summary>
    public static bool TryParseRange(string? text, out IPNetwork range)
    {
        range = default;
        var slash = text?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        return slash > 0 && TryParse(text![..slash], out _) && IPNetwork.TryParse(text, out range);
    }
}
