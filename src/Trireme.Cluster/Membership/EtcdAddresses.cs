using System.Net;

namespace Trireme.Cluster.Membership;

/// <summary>URLs of the store's member on a machine.</summary>
public static class EtcdAddresses
{
    /// <summary>Where the other members reach it.</summary>
    public static Uri PeerUrl(IPAddress address) => new($"https://{new IPEndPoint(address, Ports.EtcdPeer)}");

    /// <summary>Where clients reach it.</summary>
    public static Uri ClientUrl(IPAddress address) => new($"https://{new IPEndPoint(address, Ports.EtcdClient)}");
}
