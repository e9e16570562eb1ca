using System.Text;

namespace Trireme.Storage;

/// <summary>Order of keys, everywhere in the store: by the bytes of their UTF-8, which is the order of their Unicode scalars.</summary>
public sealed class KeyOrder : IComparer<string>
{
    private KeyOrder()
    {
    }

    /// <summary>The only instance.</summary>
    public static KeyOrder Instance { get; } = new();

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        if (x is null || y is null)
        {
            return x is null ? (y is null ? 0 : -1) : 1;
        }

        var common = x.AsSpan().CommonPrefixLength(y);
        if (common == x.Length || common == y.Length)
        {
            return x.Length.CompareTo(y.Length);
        }

        // UTF-16 orders surrogates (scalars from U+10000) below U+E000 to U+FFFF, UTF-8 above them.
        var a = x[common];
        var b = y[common];
        return char.IsSurrogate(a) == char.IsSurrogate(b) ? a.CompareTo(b) : char.IsSurrogate(a) ? 1 : -1;
    }

    /// <summary>The smallest key that is greater than every key with this prefix, or null when there is none.</summary>
    public static string? PrefixEnd(string prefix)
    {
        for (var end = prefix; end.Length > 0;)
        {
            Rune.DecodeLastFromUtf16(end, out var last, out var length);
            end = end[..^length];
            if (last.Value < 0x10FFFF)
            {
                // The surrogates (U+D800 to U+DFFF) are no scalars: U+D7FF is followed by U+E000.
                return end + new Rune(last.Value == 0xD7FF ? 0xE000 : last.Value + 1);
            }
        }

        return null;
    }

    /// <summary>The smallest key that is greater than this one.</summary>
    public static string Successor(string key) => key + '\0';

    /// <summary>Throws <see cref="ArgumentException"/> when a key is empty or begins with NUL, where stores keep their own records.</summary>
    public static void ThrowIfInvalid(string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        if (key[0] == '\0')
        {
            throw new ArgumentException("Key begins with NUL, which is reserved");
        }
    }
}
