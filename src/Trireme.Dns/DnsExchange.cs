using System.Buffers.Binary;
using Trireme.Dns.Wire;

namespace Trireme.Dns;

/// <summary>A query and the answer to it, as it passes through the chain. Reused for many queries; used by one at a time.</summary>
internal sealed class DnsExchange
{
    /// <summary>The query.</summary>
    public DnsRequest Request { get; } = new();

    public Rcode Rcode { get; set; }

    /// <summary>Whether the answer comes from who is responsible for the name.</summary>
    public bool IsAuthoritative { get; set; }

    public List<DnsRecord> Answers { get; } = [];

    public List<DnsRecord> Authority { get; } = [];

    public List<DnsRecord> Additional { get; } = [];

    /// <summary>A whole response from elsewhere, without OPT record, which is sent instead of the lists; null when there is none.</summary>
    public ReadOnlyMemory<byte>? Message { get; set; }

    /// <summary>Seconds by which the TTLs in <see cref="Message"/> are older than it says.</summary>
    public uint Age { get; set; }

    /// <summary>Forgets the answer.</summary>
    public void ClearResponse()
    {
        (Rcode, IsAuthoritative, Message, Age) = (Rcode.NoError, false, null, 0);
        Answers.Clear();
        Authority.Clear();
        Additional.Clear();
    }

    /// <summary>Answers with nothing but a code.</summary>
    public void Fail(Rcode rcode)
    {
        ClearResponse();
        Rcode = rcode;
    }

    /// <summary>Writes the response.</summary>
    /// <param name="buffer">At least 4 KB; what does not fit is cut off, and the client told so.</param>
    /// <returns>Its length.</returns>
    public int WriteResponse(Span<byte> buffer)
    {
        if (Message is { } message && DnsRelay.TryWrite(buffer, Request, message.Span, Age, out var length))
        {
            return length;
        }

        if (Message is { } tooLong)
        {
            // Too long for this client: say so, and it comes back over TCP.
            var truncated = new DnsMessageWriter(buffer, Request).Write(DnsRelay.RcodeOf(tooLong.Span), false, [], [], []);
            buffer[2] |= 2;
            return truncated;
        }

        return new DnsMessageWriter(buffer, Request).Write(Rcode, IsAuthoritative, Answers, Authority, Additional);
    }
}

/// <summary>Hands on a response that another server made.</summary>
internal static class DnsRelay
{
    public static Rcode RcodeOf(ReadOnlySpan<byte> message) => (Rcode)(message[3] & 0xF);

    /// <summary>The message with this client's id and question and with TTLs of now; false when it is too long for the client.</summary>
    public static bool TryWrite(Span<byte> buffer, DnsRequest request, ReadOnlySpan<byte> message, uint age, out int length)
    {
        const int OptLength = 11;
        length = message.Length + (request.HasEdns ? OptLength : 0);
        if (length > Math.Min(buffer.Length, request.MaxResponseSize))
        {
            return false;
        }

        message.CopyTo(buffer);
        BinaryPrimitives.WriteUInt16BigEndian(buffer, request.Id);
        buffer[2] = (byte)((buffer[2] & 0xFE) | (request.RecursionDesired ? 1 : 0));
        request.Question.CopyTo(buffer[DnsRequest.HeaderLength..]);
        if (age > 0)
        {
            SubtractAge(buffer[..message.Length], age);
        }

        if (request.HasEdns)
        {
            var opt = buffer.Slice(message.Length, OptLength);
            opt.Clear();
            BinaryPrimitives.WriteUInt16BigEndian(opt[1..], (ushort)DnsType.OPT);
            BinaryPrimitives.WriteUInt16BigEndian(opt[3..], DnsRequest.MaxUdpSize);
            opt[7] = (byte)(request.DnssecOk ? 0x80 : 0);
            BinaryPrimitives.WriteUInt16BigEndian(buffer[10..], (ushort)(BinaryPrimitives.ReadUInt16BigEndian(buffer[10..]) + 1));
        }

        return true;
    }

    private static void SubtractAge(Span<byte> message, uint age)
    {
        var reader = new DnsMessageReader(message);
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        reader.TryReadQuestion(name, out _, out _, out _);
        while (reader.TryReadRecord(out var record))
        {
            BinaryPrimitives.WriteUInt32BigEndian(message[record.TtlOffset..], record.Ttl > age ? record.Ttl - age : 1);
        }
    }
}
