using System.Text;
using System.Text.Json;

namespace Trireme.Api.Documents;

/// <summary>
/// Shares the strings of field names and short values, of which an API server sees the same few hundred all day.
/// </summary>
/// <remarks>
/// A fixed table in which a newcomer replaces what was in its slot: it can neither grow nor leak what it saw long ago.
/// Slots are written without a lock: a race costs one extra string, never a wrong one, because each hit compares the bytes.
/// </remarks>
internal static class NameTable
{
    private const int MaxLength = 40;

    private static readonly Entry?[] Slots = new Entry?[4096];

    /// <summary>Whether the token's text is short and plain enough to be looked up.</summary>
    public static bool IsShort(ref Utf8JsonReader reader) => !reader.ValueIsEscaped && reader.ValueSpan.Length <= MaxLength;

    public static string Get(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty)
        {
            return "";
        }

        // FNV-1a: short keys, no allocation, no need to resist attacks since slots do not chain.
        var hash = 2166136261u;
        foreach (var b in utf8)
        {
            hash = (hash ^ b) * 16777619u;
        }

        ref var slot = ref Slots[(hash ^ (hash >> 12)) & 4095];
        var entry = slot;
        if (entry is not null && utf8.SequenceEqual(entry.Utf8))
        {
            return entry.Text;
        }

        var text = StrictUtf8.GetString(utf8);
        slot = new Entry(utf8.ToArray(), text);
        return text;
    }

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private sealed record Entry(byte[] Utf8, string Text);
}
