using System.Text;
using CsCheck;

namespace Trireme.Storage.Tests;

public sealed class KeyOrderTests
{
    private static readonly Gen<string> s_text = Gen.OneOf(
            Gen.Int[0x20, 0x7F],
            Gen.OneOf(new[] { 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFE, 0x10FFFF }.Select(c => Gen.Const(c)).ToArray()))
        .Select(scalar => new Rune(scalar).ToString()).Array[0, 6].Select(string.Concat);

    [Fact]
    public void Keys_are_in_the_order_of_their_utf8() =>
        Gen.Select(s_text, s_text).Sample((a, b) =>
            Math.Sign(KeyOrder.Instance.Compare(a, b)) == Math.Sign(Utf8(a).AsSpan().SequenceCompareTo(Utf8(b))));

    [Fact]
    public void A_prefix_ends_behind_its_keys_and_before_all_greater_ones() =>
        Gen.Select(s_text, s_text).Sample((prefix, key) =>
            key.StartsWith(prefix, StringComparison.Ordinal)
                == (KeyOrder.Instance.Compare(key, prefix) >= 0
                    && (KeyOrder.PrefixEnd(prefix) is not { } end || KeyOrder.Instance.Compare(key, end) < 0)));

    [Fact]
    public void Nothing_fits_between_a_key_and_its_successor() =>
        Gen.Select(s_text, s_text).Sample((a, b) =>
            KeyOrder.Instance.Compare(b, a) <= 0 || KeyOrder.Instance.Compare(b, KeyOrder.Successor(a)) >= 0);

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);
}
