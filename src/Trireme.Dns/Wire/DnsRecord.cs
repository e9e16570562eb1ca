using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Trireme.Dns.Wire;

/// <summary>A resource record. Names inside the data are never compressed, so it can be written as it is.</summary>
internal sealed class DnsRecord(DnsName name, DnsType type, uint ttl, byte[] data)
{
    public DnsName Name { get; } = name;

    public DnsType Type { get; } = type;

    /// <summary>Seconds for which it may be kept.</summary>
    public uint Ttl { get; } = ttl;

    public byte[] Data { get; } = data;

    public static DnsRecord Address(DnsName name, IPAddress address, uint ttl) =>
        new(name, address.GetAddressBytes() is { Length: 4 } ? DnsType.A : DnsType.AAAA, ttl, address.GetAddressBytes());

    public static DnsRecord Cname(DnsName name, DnsName target, uint ttl) => new(name, DnsType.CNAME, ttl, target.Wire.ToArray());

    public static DnsRecord Ptr(DnsName name, DnsName target, uint ttl) => new(name, DnsType.PTR, ttl, target.Wire.ToArray());

    public static DnsRecord Ns(DnsName name, DnsName target, uint ttl) => new(name, DnsType.NS, ttl, target.Wire.ToArray());

    /// <summary>One string of at most 255 bytes.</summary>
    public static DnsRecord Txt(DnsName name, string text, uint ttl)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return new DnsRecord(name, DnsType.TXT, ttl, [(byte)bytes.Length, .. bytes]);
    }

    /// <summary>Priority, weight, port and target (RFC 2782).</summary>
    public static DnsRecord Srv(DnsName name, ushort priority, ushort weight, ushort port, DnsName target, uint ttl)
    {
        var data = new byte[6 + target.Wire.Length];
        BinaryPrimitives.WriteUInt16BigEndian(data, priority);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(2), weight);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(4), port);
        target.Wire.CopyTo(data.AsSpan(6));
        return new DnsRecord(name, DnsType.SRV, ttl, data);
    }

    /// <summary>Start of authority; the last number is how long absence may be remembered (RFC 2308).</summary>
    public static DnsRecord Soa(DnsName zone, DnsName server, DnsName mailbox, uint serial, uint negativeTtl)
    {
        var data = new byte[server.Wire.Length + mailbox.Wire.Length + 20];
        server.Wire.CopyTo(data);
        mailbox.Wire.CopyTo(data.AsSpan(server.Wire.Length));
        var numbers = data.AsSpan(server.Wire.Length + mailbox.Wire.Length);
        foreach (var number in (ReadOnlySpan<uint>)[serial, 7200, 1800, 86400, negativeTtl])
        {
            BinaryPrimitives.WriteUInt32BigEndian(numbers, number);
            numbers = numbers[4..];
        }

        return new DnsRecord(zone, DnsType.SOA, negativeTtl, data);
    }

    /// <summary>The name that a CNAME, PTR, NS or SRV record points to; empty for others.</summary>
    public ReadOnlySpan<byte> Target => Type switch
    {
        DnsType.CNAME or DnsType.PTR or DnsType.NS => Data,
        DnsType.SRV => Data.AsSpan(6),
        _ => [],
    };

    public bool SameData(DnsRecord other) => Type == other.Type && Data.AsSpan().SequenceEqual(other.Data);

    public override string ToString() => Type switch
    {
        DnsType.A or DnsType.AAAA => $"{Name} {Ttl} {Type} {new IPAddress(Data)}",
        DnsType.SRV => $"{Name} {Ttl} {Type} {BinaryPrimitives.ReadUInt16BigEndian(Data)} {BinaryPrimitives.ReadUInt16BigEndian(Data.AsSpan(2))} "
            + $"{BinaryPrimitives.ReadUInt16BigEndian(Data.AsSpan(4))} {DnsName.FromWire(Target)}",
        DnsType.CNAME or DnsType.PTR or DnsType.NS => $"{Name} {Ttl} {Type} {DnsName.FromWire(Target)}",
        DnsType.TXT => $"{Name} {Ttl} {Type} \"{Encoding.UTF8.GetString(Data.AsSpan(1))}\"",
        _ => $"{Name} {Ttl} {Type} {Convert.ToHexString(Data)}",
    };
}
