using System.Buffers.Binary;

namespace Trireme.Dns.Wire;

/// <summary>A record as it lies in a packet.</summary>
/// <param name="NameOffset">Where its name starts.</param>
/// <param name="Type">Its type.</param>
/// <param name="Class">Its class; for OPT the payload size.</param>
/// <param name="TtlOffset">Where its TTL lies.</param>
/// <param name="Ttl">Seconds; for OPT the extended flags.</param>
/// <param name="DataOffset">Where its data starts.</param>
/// <param name="DataLength">Length of the data.</param>
/// <param name="Section">0 answer, 1 authority, 2 additional.</param>
internal readonly record struct RecordPosition(
    int NameOffset, DnsType Type, ushort Class, int TtlOffset, uint Ttl, int DataOffset, int DataLength, int Section);

/// <summary>Walks through a message. Whatever the bytes are, it ends, and reads nothing outside of them.</summary>
internal ref struct DnsMessageReader
{
    private readonly ReadOnlySpan<byte> _packet;
    private int _at;
    private int _read;

    /// <summary>Starts behind the header; the packet has at least <see cref="DnsRequest.HeaderLength"/> bytes.</summary>
    public DnsMessageReader(ReadOnlySpan<byte> packet)
    {
        _packet = packet;
        _at = DnsRequest.HeaderLength;
        QuestionCount = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        AnswerCount = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        AuthorityCount = BinaryPrimitives.ReadUInt16BigEndian(packet[8..]);
        AdditionalCount = BinaryPrimitives.ReadUInt16BigEndian(packet[10..]);
    }

    public int QuestionCount { get; }

    public int AnswerCount { get; }

    public int AuthorityCount { get; }

    public int AdditionalCount { get; }

    /// <summary>Set when the packet ended before its counts said so, or a name made no sense.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>Reads the question; its name is lowered. A compressed name makes no sense there and is refused.</summary>
    public bool TryReadQuestion(scoped Span<byte> name, out int length, out DnsType type, out DnsClass @class)
    {
        (type, @class) = (default, default);
        var start = _at;
        if (!TryReadName(_packet, ref _at, name, out length) || _at - start != length || _at + 4 > _packet.Length)
        {
            IsMalformed = true;
            return false;
        }

        type = (DnsType)BinaryPrimitives.ReadUInt16BigEndian(_packet[_at..]);
        @class = (DnsClass)BinaryPrimitives.ReadUInt16BigEndian(_packet[(_at + 2)..]);
        _at += 4;
        return true;
    }

    /// <summary>The next record; false at the end, or when the packet is malformed.</summary>
    public bool TryReadRecord(out RecordPosition record)
    {
        record = default;
        if (IsMalformed || _read >= AnswerCount + AuthorityCount + AdditionalCount)
        {
            return false;
        }

        var nameOffset = _at;
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        if (!TryReadName(_packet, ref _at, name, out _) || _at + 10 > _packet.Length)
        {
            IsMalformed = true;
            return false;
        }

        var fixedPart = _packet.Slice(_at, 10);
        var length = BinaryPrimitives.ReadUInt16BigEndian(fixedPart[8..]);
        if (_at + 10 + length > _packet.Length)
        {
            IsMalformed = true;
            return false;
        }

        var section = _read < AnswerCount ? 0 : _read < AnswerCount + AuthorityCount ? 1 : 2;
        record = new RecordPosition(
            nameOffset,
            (DnsType)BinaryPrimitives.ReadUInt16BigEndian(fixedPart),
            BinaryPrimitives.ReadUInt16BigEndian(fixedPart[2..]),
            _at + 4,
            BinaryPrimitives.ReadUInt32BigEndian(fixedPart[4..]),
            _at + 10,
            length,
            section);
        _at += 10 + length;
        _read++;
        return true;
    }

    /// <summary>A record on its own: names in it are no longer compressed.</summary>
    /// <returns>False when a name inside makes no sense.</returns>
    public readonly bool TryCopy(RecordPosition record, out DnsRecord? copy)
    {
        copy = null;
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        var at = record.NameOffset;
        if (!TryReadName(_packet, ref at, name, out var length))
        {
            return false;
        }

        var data = _packet.Slice(record.DataOffset, record.DataLength);
        var prefix = record.Type switch
        {
            DnsType.CNAME or DnsType.NS or DnsType.PTR => 0,
            DnsType.SRV => 6,
            _ => -1,
        };
        var owned = data.ToArray();
        if (prefix >= 0)
        {
            Span<byte> target = stackalloc byte[DnsName.MaxLength];
            at = record.DataOffset + prefix;
            if (record.DataLength < prefix || !TryReadName(_packet, ref at, target, out var targetLength))
            {
                return false;
            }

            owned = [.. data[..prefix], .. target[..targetLength]];
        }

        copy = new DnsRecord(DnsName.FromWire(name[..length]), record.Type, record.Ttl, owned);
        return true;
    }

    /// <summary>Reads a name, following pointers, and moves behind it. Letters are lowered.</summary>
    public static bool TryReadName(scoped ReadOnlySpan<byte> packet, scoped ref int at, scoped Span<byte> name, out int length)
    {
        length = 0;
        var position = at;
        var jumped = false;
        while (position < packet.Length)
        {
            var size = packet[position];
            switch (size >> 6)
            {
                case 0 when size == 0:
                    name[length++] = 0;
                    at = jumped ? at : position + 1;
                    return true;
                case 0:
                    if (position + 1 + size > packet.Length || length + size + 2 > DnsName.MaxLength)
                    {
                        return false;
                    }

                    name[length++] = size;
                    packet.Slice(position + 1, size).CopyTo(name[length..]);
                    DnsName.Lower(name.Slice(length, size));
                    length += size;
                    position += size + 1;
                    break;
                case 3:
                    if (position + 1 >= packet.Length)
                    {
                        return false;
                    }

                    var target = (size & 0x3F) << 8 | packet[position + 1];
                    at = jumped ? at : position + 2;
                    jumped = true;

                    // Pointers lead backwards only, so following them ends.
                    if (target >= position)
                    {
                        return false;
                    }

                    position = target;
                    break;
                default:
                    return false;
            }
        }

        return false;
    }
}
