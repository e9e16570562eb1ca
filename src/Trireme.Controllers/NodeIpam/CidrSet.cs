using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace Trireme.Controllers.NodeIpam;

/// <summary>An IPv4 range cut into equal parts: part number to CIDR and back.</summary>
public sealed class CidrSet
{
    private readonly IPNetwork _cluster;
    private readonly uint _first;
    private readonly int _partLength;

    /// <param name="cluster">The whole, for example <c>10.201.0.0/16</c>.</param>
    /// <param name="partLength">Prefix length of a part, for example 24.</param>
    /// <exception cref="FormatException">No IPv4 range, or parts larger than the whole.</exception>
    public CidrSet(string cluster, int partLength)
    {
        _cluster = IPNetwork.Parse(cluster);
        if (_cluster.BaseAddress.AddressFamily != System.Net.Sockets.AddressFamily.InterNetwork || partLength < _cluster.PrefixLength || partLength > 30)
        {
            throw new FormatException($"Cluster range {cluster} cannot be cut into parts of /{partLength}");
        }

        _partLength = partLength;
        _first = BinaryPrimitives.ReadUInt32BigEndian(_cluster.BaseAddress.GetAddressBytes());
    }

    /// <summary>How many parts there are.</summary>
    public int Count => 1 << Math.Min(_partLength - _cluster.PrefixLength, 30);

    public string this[int index]
    {
        get
        {
            var bytes = new byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(bytes, _first + ((uint)index << (32 - _partLength)));
            return string.Create(CultureInfo.InvariantCulture, $"{new IPAddress(bytes)}/{_partLength}");
        }
    }

    /// <summary>Number of the part in which a CIDR begins; null when it lies outside.</summary>
    public int? IndexOf(string cidr)
    {
        if (!IPNetwork.TryParse(cidr, out var network) || !_cluster.Contains(network.BaseAddress))
        {
            return null;
        }

        return (int)((BinaryPrimitives.ReadUInt32BigEndian(network.BaseAddress.GetAddressBytes()) - _first) >> (32 - _partLength));
    }
}
