namespace Trireme.Dns.Wire;

/// <summary>Types of resource records (IANA). Others pass through as numbers.</summary>
internal enum DnsType : ushort
{
    A = 1,
    NS = 2,
    CNAME = 5,
    SOA = 6,
    PTR = 12,
    HINFO = 13,
    TXT = 16,
    AAAA = 28,
    SRV = 33,
    OPT = 41,
    AXFR = 252,
    ANY = 255,
}

/// <summary>Classes; only the Internet is served.</summary>
internal enum DnsClass : ushort
{
    IN = 1,
    CH = 3,
    ANY = 255,
}

/// <summary>Response codes (RFC 1035 section 4.1.1, RFC 6891).</summary>
internal enum Rcode
{
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
    BadVersion = 16,
}
