using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Trireme.Dns.Wire;

/// <summary>A fully qualified name, kept as it stands in a packet: each label with its length before it, a zero at the end, ASCII letters in lower case.</summary>
internal sealed class DnsName : IEquatable<DnsName>
{
    /// <summary>Most bytes that a name has on the wire (RFC 1035 section 2.3.4).</summary>
    public const int MaxLength = 255;

    private const int MaxLabel = 63;

    public static readonly DnsName Root = new([0]);

    private readonly byte[] _wire;

    private DnsName(byte[] wire) => _wire = wire;

    public ReadOnlySpan<byte> Wire => _wire;

    /// <summary>Number of labels, the root not counted.</summary>
    public int LabelCount
    {
        get
        {
            var count = 0;
            for (var i = 0; _wire[i] != 0; i += _wire[i] + 1)
            {
                count++;
            }

            return count;
        }
    }

    /// <summary>A name from its wire form, which must be complete and well formed; letters are lowered.</summary>
    public static DnsName FromWire(ReadOnlySpan<byte> wire)
    {
        var lowered = wire.ToArray();
        Lower(lowered);
        return new DnsName(lowered);
    }

    /// <summary>Reads <c>a.b.c</c> with or without a dot at the end. Labels are taken as they are; false when one is empty or too long.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out DnsName? name)
    {
        name = null;
        var trimmed = text.EndsWith('.') ? text[..^1] : text;
        if (trimmed.Length == 0)
        {
            name = text.Length == 0 ? null : Root;
            return name is not null;
        }

        Span<byte> wire = stackalloc byte[MaxLength];
        var length = 0;
        foreach (var range in trimmed.AsSpan().Split('.'))
        {
            var label = trimmed.AsSpan(range);
            var size = Encoding.UTF8.GetByteCount(label);
            if (size is 0 or > MaxLabel || length + size + 2 > MaxLength)
            {
                return false;
            }

            wire[length++] = (byte)size;
            length += Encoding.UTF8.GetBytes(label, wire[length..]);
        }

        wire[length++] = 0;
        name = FromWire(wire[..length]);
        return true;
    }

    /// <exception cref="FormatException">The text is no name.</exception>
    public static DnsName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException($"Invalid domain name \"{text}\"");

    /// <summary>Lowers ASCII letters. Label lengths are below 64 and so never look like letters.</summary>
    public static void Lower(Span<byte> wire)
    {
        for (var i = 0; i < wire.Length; i++)
        {
            if (wire[i] is >= (byte)'A' and <= (byte)'Z')
            {
                wire[i] |= 0x20;
            }
        }
    }

    /// <summary>Whether the name is the zone or below it. Both in lower case.</summary>
    public static bool IsInZone(ReadOnlySpan<byte> name, ReadOnlySpan<byte> zone)
    {
        // A suffix of bytes is a suffix of labels only if it starts where a label starts.
        var start = name.Length - zone.Length;
        if (start < 0 || !name[start..].SequenceEqual(zone))
        {
            return false;
        }

        var at = 0;
        while (at < start)
        {
            at += name[at] + 1;
        }

        return at == start;
    }

    /// <summary>This name with a label before it.</summary>
    public DnsName Prepend(string label) => Parse(this == Root ? label : $"{label}.{this}");

    /// <summary>The name without its first label; null for the root.</summary>
    public DnsName? Parent() => _wire[0] == 0 ? null : new DnsName(_wire[(_wire[0] + 1)..]);

    public static bool operator ==(DnsName? left, DnsName? right) => left is null ? right is null : left.Equals(right);

    public static bool operator !=(DnsName? left, DnsName? right) => !(left == right);

    public bool Equals(DnsName? other) => other is not null && _wire.AsSpan().SequenceEqual(other._wire);

    public override bool Equals(object? obj) => Equals(obj as DnsName);

    public override int GetHashCode() => WireComparer.Hash(_wire);

    /// <summary>With a dot at the end.</summary>
    public override string ToString()
    {
        if (_wire.Length == 1)
        {
            return ".";
        }

        var text = new StringBuilder(_wire.Length);
        for (var i = 0; _wire[i] != 0; i += _wire[i] + 1)
        {
            text.Append(Encoding.UTF8.GetString(_wire, i + 1, _wire[i])).Append('.');
        }

        return text.ToString();
    }
}

/// <summary>Compares names, and looks them up by the bytes of a packet without making a name.</summary>
internal sealed class WireComparer : IEqualityComparer<DnsName>, IAlternateEqualityComparer<ReadOnlySpan<byte>, DnsName>
{
    public static readonly WireComparer Instance = new();

    public static int Hash(ReadOnlySpan<byte> wire)
    {
        var hash = default(HashCode);
        hash.AddBytes(wire);
        return hash.ToHashCode();
    }

    public bool Equals(DnsName? x, DnsName? y) => x == y;

    public int GetHashCode(DnsName obj) => obj.GetHashCode();

    public bool Equals(ReadOnlySpan<byte> alternate, DnsName other) => other.Wire.SequenceEqual(alternate);

    public int GetHashCode(ReadOnlySpan<byte> alternate) => Hash(alternate);

    public DnsName Create(ReadOnlySpan<byte> alternate) => DnsName.FromWire(alternate);
}
