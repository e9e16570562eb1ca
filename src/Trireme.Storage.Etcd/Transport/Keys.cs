using System.Text;
using Google.Protobuf;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>Keys on the wire: UTF-8 behind the store's prefix.</summary>
internal sealed class Keys(string prefix)
{
    private readonly byte[] _prefix = Encoding.UTF8.GetBytes(prefix);

    /// <summary>As range end: no end. As key: the first there can be.</summary>
    public static ByteString First { get; } = ByteString.CopyFrom(0);

    // Stores keep their own records under NUL (see CommitLanes); users' keys come behind them.
    private static ByteString FirstOfUsers { get; } = ByteString.CopyFrom(1);

    public ByteString Encode(string key) => ByteString.CopyFromUtf8(prefix + key);

    public string Decode(ByteString key) => Encoding.UTF8.GetString(key.Span[_prefix.Length..]);

    /// <summary>Whether a key belongs to this store.</summary>
    public bool IsOurs(ByteString key) => key.Span.StartsWith(_prefix) && (_prefix.Length > 0 || key.Length == 0 || key[0] != 0);

    /// <summary>The range of the keys under a prefix, behind a key if one is given.</summary>
    public (ByteString Start, ByteString End) Range(string under, string? after)
    {
        var start = after is not null && KeyOrder.Instance.Compare(after, under) >= 0 ? KeyOrder.Successor(after) : under;
        var end = KeyOrder.PrefixEnd(prefix + under);
        return (
            prefix.Length + start.Length == 0 ? FirstOfUsers : Encode(start),
            end is null ? First : ByteString.CopyFromUtf8(end));
    }
}
