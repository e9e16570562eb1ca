namespace Trireme.Controllers.Runtime;

/// <summary>Names that controllers make up.</summary>
public static class SafeNames
{
    // Upstream's alphabet: no vowels and no look-alikes, so that no words come about.
    private const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";

    private const int MaxGeneratedLength = 63;
    private const int SuffixLength = 5;

    /// <summary><paramref name="prefix"/> and five characters by chance.</summary>
    /// <remarks>Made here and not by the server (generateName), so that a create whose answer was lost can be repeated without making a second object.</remarks>
    public static string Generate(string prefix, Random random)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(random);
        var kept = prefix.Length > MaxGeneratedLength - SuffixLength ? prefix[..(MaxGeneratedLength - SuffixLength)] : prefix;
        lock (random)
        {
            return string.Create(kept.Length + SuffixLength, (kept, random), static (span, state) =>
            {
                state.kept.CopyTo(span);
                state.random.GetItems(Alphabet, span[state.kept.Length..]);
            });
        }
    }

    /// <summary>A number in characters that are safe in names and labels.</summary>
    public static string Encode(uint number)
    {
        Span<char> buffer = stackalloc char[10];
        var length = 0;
        do
        {
            buffer[length++] = Alphabet[(int)(number % (uint)Alphabet.Length)];
            number /= (uint)Alphabet.Length;
        }
        while (number > 0);
        return new string(buffer[..length]);
    }
}
