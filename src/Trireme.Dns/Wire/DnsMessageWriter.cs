using System.Buffers.Binary;

namespace Trireme.Dns.Wire;

/// <summary>Writes a response into a buffer, never beyond the size that the client takes. Owner names are compressed.</summary>
internal ref struct DnsMessageWriter
{
    private const int OptLength = 11;
    private const int MaxPointer = 0x3FFF;

    private readonly Span<byte> _packet;
    private readonly DnsRequest _request;
    private readonly int _limit;

    // Where label starts lie to which later names may point; more than these are not worth looking through.
    private LabelOffsets _labels;
    private int _labelCount;
    private int _at;

    /// <param name="packet">Room for the message; at least the request's <see cref="DnsRequest.MaxResponseSize"/> or what is to be used of it.</param>
    /// <param name="request">The query that is answered.</param>
    public DnsMessageWriter(Span<byte> packet, DnsRequest request)
    {
        _packet = packet;
        _request = request;

        // The OPT record must always fit, so its room is kept from the start.
        _limit = Math.Min(packet.Length, request.MaxResponseSize) - (request.HasEdns ? OptLength : 0);
    }

    /// <summary>Writes the whole response.</summary>
    /// <returns>Its length.</returns>
    public int Write(Rcode rcode, bool authoritative, List<DnsRecord> answers, List<DnsRecord> authority, List<DnsRecord> additional)
    {
        _packet[..DnsRequest.HeaderLength].Clear();
        _at = DnsRequest.HeaderLength;
        _request.Question.CopyTo(_packet[_at..]);
        if (_request.Question.Length > 0)
        {
            Remember(_request.Name, _at, _request.Name.Length);
            _at += _request.Question.Length;
        }

        var answerCount = WriteAll(answers);
        var authorityCount = answerCount == answers.Count ? WriteAll(authority) : 0;
        var truncated = answerCount < answers.Count || authorityCount < authority.Count;

        // What is merely helpful is left out without a word.
        var additionalCount = truncated ? 0 : WriteAll(additional);
        if (_request.HasEdns)
        {
            WriteOpt(rcode);
            additionalCount++;
        }

        WriteHeader(rcode, authoritative, truncated);
        BinaryPrimitives.WriteUInt16BigEndian(_packet[6..], (ushort)answerCount);
        BinaryPrimitives.WriteUInt16BigEndian(_packet[8..], (ushort)authorityCount);
        BinaryPrimitives.WriteUInt16BigEndian(_packet[10..], (ushort)additionalCount);
        return _at;
    }

    private readonly void WriteHeader(Rcode rcode, bool authoritative, bool truncated)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_packet, _request.Id);
        _packet[2] = (byte)(0x80 | _request.Opcode << 3 | (authoritative ? 4 : 0) | (truncated ? 2 : 0) | (_request.RecursionDesired ? 1 : 0));

        // Recursion is always available: whatever is not ours is forwarded.
        _packet[3] = (byte)(0x80 | (_request.CheckingDisabled ? 0x10 : 0) | ((int)rcode & 0xF));
        BinaryPrimitives.WriteUInt16BigEndian(_packet[4..], (ushort)(_request.Question.Length > 0 ? 1 : 0));
    }

    private int WriteAll(List<DnsRecord> records)
    {
        for (var i = 0; i < records.Count; i++)
        {
            if (!TryWrite(records[i]))
            {
                return i;
            }
        }

        return records.Count;
    }

    private bool TryWrite(DnsRecord record)
    {
        var start = _at;
        var labels = _labelCount;
        if (!TryWriteName(record.Name.Wire) || _at + 10 + record.Data.Length > _limit)
        {
            (_at, _labelCount) = (start, labels);
            return false;
        }

        var rest = _packet[_at..];
        BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)record.Type);
        BinaryPrimitives.WriteUInt16BigEndian(rest[2..], (ushort)DnsClass.IN);
        BinaryPrimitives.WriteUInt32BigEndian(rest[4..], record.Ttl);
        BinaryPrimitives.WriteUInt16BigEndian(rest[8..], (ushort)record.Data.Length);
        record.Data.CopyTo(rest[10..]);

        // Later owner names often are what this record points to.
        if (record.Target is { Length: > 0 } target)
        {
            Remember(target, _at + 10 + record.Data.Length - target.Length, target.Length);
        }

        _at += 10 + record.Data.Length;
        return true;
    }

    private bool TryWriteName(ReadOnlySpan<byte> name)
    {
        var start = _at;
        for (var i = 0; name[i] != 0; i += name[i] + 1)
        {
            if (Find(name[i..]) is var pointer && pointer >= 0)
            {
                if (start + i + 2 > _limit)
                {
                    return false;
                }

                name[..i].CopyTo(_packet[start..]);
                BinaryPrimitives.WriteUInt16BigEndian(_packet[(start + i)..], (ushort)(0xC000 | pointer));
                Remember(name, start, i);
                _at = start + i + 2;
                return true;
            }
        }

        if (start + name.Length > _limit)
        {
            return false;
        }

        name.CopyTo(_packet[start..]);
        Remember(name, start, name.Length);
        _at = start + name.Length;
        return true;
    }

    /// <summary>Remembers the labels of a name that lies at <paramref name="offset"/>, of which <paramref name="written"/> bytes are written out.</summary>
    private void Remember(ReadOnlySpan<byte> name, int offset, int written)
    {
        for (var i = 0; i < written && name[i] != 0; i += name[i] + 1)
        {
            if (_labelCount < LabelOffsets.Length && offset + i <= MaxPointer)
            {
                _labels[_labelCount++] = (ushort)(offset + i);
            }
        }
    }

    private readonly int Find(ReadOnlySpan<byte> suffix)
    {
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        for (var i = 0; i < _labelCount; i++)
        {
            var at = (int)_labels[i];

            // The first length byte rules out most.
            if (_packet[at] == suffix[0] && DnsMessageReader.TryReadName(_packet, ref at, name, out var length) && name[..length].SequenceEqual(suffix))
            {
                return _labels[i];
            }
        }

        return -1;
    }

    private void WriteOpt(Rcode rcode)
    {
        var opt = _packet.Slice(_at, OptLength);
        opt.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(opt[1..], (ushort)DnsType.OPT);
        BinaryPrimitives.WriteUInt16BigEndian(opt[3..], DnsRequest.MaxUdpSize);
        opt[5] = (byte)((int)rcode >> 4);
        opt[7] = (byte)(_request.DnssecOk ? 0x80 : 0);
        _at += OptLength;
    }

    [System.Runtime.CompilerServices.InlineArray(Length)]
    private struct LabelOffsets
    {
        public const int Length = 64;
        private ushort _first;
    }
}
