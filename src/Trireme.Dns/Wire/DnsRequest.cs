using System.Buffers.Binary;

namespace Trireme.Dns.Wire;

/// <summary>A query, taken apart as far as a server needs it. Reused for many queries; not thread-safe.</summary>
internal sealed class DnsRequest
{
    public const int HeaderLength = 12;

    /// <summary>What a client without EDNS takes over UDP (RFC 1035).</summary>
    private const int PlainUdpSize = 512;

    /// <summary>What passes any network unfragmented; clients that offer more get no more (DNS flag day 2020).</summary>
    public const int MaxUdpSize = 1232;

    private readonly byte[] _name = new byte[DnsName.MaxLength];
    private readonly byte[] _question = new byte[DnsName.MaxLength + 4];
    private int _nameLength;

    public ushort Id { get; private set; }

    /// <summary>0 is a standard query.</summary>
    public int Opcode { get; private set; }

    public bool RecursionDesired { get; private set; }

    public bool CheckingDisabled { get; private set; }

    /// <summary>Name that is asked for, in lower case.</summary>
    public ReadOnlySpan<byte> Name => _name.AsSpan(0, _nameLength);

    public DnsType Type { get; private set; }

    public DnsClass Class { get; private set; }

    /// <summary>The question as it came, letters as the client wrote them: clients check that they come back so. Empty when it could not be read.</summary>
    public ReadOnlySpan<byte> Question => _question.AsSpan(0, _nameLength == 0 ? 0 : _nameLength + 4);

    public bool HasEdns { get; private set; }

    public int EdnsVersion { get; private set; }

    /// <summary>Whether the client wants DNSSEC records.</summary>
    public bool DnssecOk { get; private set; }

    public bool IsTcp { get; private set; }

    /// <summary>Whether the answer may take its time: false when so many queries wait already that this one gets what is in memory, or a failure.</summary>
    public bool MayWait { get; set; } = true;

    /// <summary>Longest answer that the client takes.</summary>
    public int MaxResponseSize { get; private set; }

    /// <summary>Reads a query.</summary>
    /// <param name="packet">The message, without the length that TCP has before it.</param>
    /// <param name="isTcp">Whether it came over TCP.</param>
    /// <param name="error">What to answer when it cannot be served as it is.</param>
    /// <returns>False when there is nobody to answer: too short, or itself a response.</returns>
    public bool TryRead(ReadOnlySpan<byte> packet, bool isTcp, out Rcode error)
    {
        error = Rcode.NoError;
        _nameLength = 0;
        (Type, Class, HasEdns, EdnsVersion, DnssecOk, IsTcp) = (default, default, false, 0, false, isTcp);
        MaxResponseSize = isTcp ? ushort.MaxValue : PlainUdpSize;
        if (packet.Length < HeaderLength || (packet[2] & 0x80) != 0)
        {
            return false;
        }

        Id = BinaryPrimitives.ReadUInt16BigEndian(packet);
        Opcode = packet[2] >> 3 & 0xF;
        RecursionDesired = (packet[2] & 1) != 0;
        CheckingDisabled = (packet[3] & 0x10) != 0;
        if (Opcode != 0)
        {
            error = Rcode.NotImplemented;
            return true;
        }

        var reader = new DnsMessageReader(packet);
        if (reader.QuestionCount != 1 || !reader.TryReadQuestion(_name, out var length, out var type, out var @class))
        {
            error = Rcode.FormatError;
            return true;
        }

        _nameLength = length;
        (Type, Class) = (type, @class);
        packet.Slice(HeaderLength, length + 4).CopyTo(_question);
        error = ReadEdns(ref reader);
        return true;
    }

    /// <summary>Makes this a query for another name of the same client, as when an alias leads out of the zone.</summary>
    public void Redirect(DnsRequest original, ReadOnlySpan<byte> name, DnsType type)
    {
        name.CopyTo(_name);
        _nameLength = name.Length;
        name.CopyTo(_question);
        BinaryPrimitives.WriteUInt16BigEndian(_question.AsSpan(name.Length), (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(_question.AsSpan(name.Length + 2), (ushort)DnsClass.IN);
        (Id, Type, Class, Opcode, RecursionDesired, CheckingDisabled) = (original.Id, type, DnsClass.IN, 0, true, original.CheckingDisabled);
        (HasEdns, EdnsVersion, DnssecOk, IsTcp, MaxResponseSize) = (false, 0, false, original.IsTcp, ushort.MaxValue);
        MayWait = original.MayWait;
    }

    /// <summary>Makes this the same query, for an answer that outlives the client's patience.</summary>
    public void Repeat(DnsRequest original)
    {
        Redirect(original, original.Name, original.Type);
        (RecursionDesired, DnssecOk) = (original.RecursionDesired, original.DnssecOk);
    }

    private Rcode ReadEdns(ref DnsMessageReader reader)
    {
        while (reader.TryReadRecord(out var record))
        {
            if (record.Type != DnsType.OPT)
            {
                continue;
            }

            if (HasEdns)
            {
                return Rcode.FormatError;
            }

            HasEdns = true;
            EdnsVersion = (int)(record.Ttl >> 16 & 0xFF);
            DnssecOk = (record.Ttl & 0x8000) != 0;
            MaxResponseSize = IsTcp ? MaxResponseSize : Math.Clamp((int)record.Class, PlainUdpSize, MaxUdpSize);
        }

        return reader.IsMalformed ? Rcode.FormatError : EdnsVersion != 0 ? Rcode.BadVersion : Rcode.NoError;
    }
}
