using System.ComponentModel;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using Trireme.Client;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Membership;
using Trireme.Cluster.Phases;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster;

/// <summary>Which exceptions come from the machine, the cluster or the user, whose message is enough, and not from a mistake in this program.</summary>
public static class ExpectedFailure
{
    /// <summary>Whether the message says all there is to say: people get one line, and no trace of calls.</summary>
    public static bool Is(Exception exception) => exception
        is PhaseException or SupervisorUnavailableException or MembershipException or DiscoveryException // our own words
        or ApiException or ApiUnavailableException or HttpRequestException // the API
        or IOException or UnauthorizedAccessException or SocketException or Win32Exception // the machine
        or FormatException or JsonException or CryptographicException or ArgumentException // damaged files and values out of range
        or InvalidOperationException;
}
