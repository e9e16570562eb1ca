using System.Net;

namespace Trireme.Dns.Plugins.Forward;

/// <summary>Reads the servers that a machine asks (resolv.conf(5)).</summary>
internal static class ResolvConf
{
    public const string DefaultPath = "/etc/resolv.conf";
    public const int DnsPort = 53;

    /// <summary>The <c>nameserver</c> lines in their order.</summary>
    public static IReadOnlyList<IPEndPoint> Parse(string text)
    {
        var servers = new List<IPEndPoint>();
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", var address, ..] && IPAddress.TryParse(address, out var parsed))
            {
                servers.Add(new IPEndPoint(parsed, DnsPort));
            }
        }

        return servers;
    }
}
