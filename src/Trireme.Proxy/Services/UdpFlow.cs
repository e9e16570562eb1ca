using System.Globalization;

namespace Trireme.Proxy.Services;

/// <summary>Where the kernel sends packets of UDP flows that it has seen, whoever sends them.</summary>
/// <param name="Destination">Address that the client sends to.</param>
/// <param name="Port">Port that the client sends to.</param>
/// <param name="Backend">Address that answers: the destination itself when it was not translated.</param>
/// <param name="IsUnreplied">Whether no answer was ever seen.</param>
public readonly record struct UdpFlow(string Destination, int Port, string Backend, bool IsUnreplied)
{
    /// <summary>Whether the destination was translated.</summary>
    public bool IsTranslated => Backend != Destination;

    /// <summary>Reads <c>conntrack -L</c>: two tuples a line, the way there and the way back.</summary>
    public static IReadOnlyCollection<UdpFlow> Parse(string listing)
    {
        var flows = new HashSet<UdpFlow>();
        foreach (var line in listing.Split('\n'))
        {
            string? destination = null, backend = null;
            var port = 0;
            var sources = 0;
            foreach (var word in line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (word.StartsWith("src=", StringComparison.Ordinal) && ++sources == 2)
                {
                    backend = word[4..];
                }
                else if (destination is null && word.StartsWith("dst=", StringComparison.Ordinal))
                {
                    destination = word[4..];
                }
                else if (port == 0 && word.StartsWith("dport=", StringComparison.Ordinal))
                {
                    _ = int.TryParse(word.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out port);
                }
            }

            if (destination is not null && backend is not null && port > 0)
            {
                flows.Add(new UdpFlow(destination, port, backend, line.Contains("[UNREPLIED]", StringComparison.Ordinal)));
            }
        }

        return flows;
    }
}
