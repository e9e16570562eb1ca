namespace Trireme.ApiServer.Registry;

/// <summary>Makes names from <c>generateName</c>: the prefix and five characters that form no words and are not mistaken for others.</summary>
internal sealed class NameGenerator(Random random)
{
    private const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";
    private const int SuffixLength = 5;
    private const int PrefixMax = 63 - SuffixLength;

    private readonly Lock _gate = new();

    public string Generate(string prefix) =>
        string.Concat(prefix.AsSpan(0, Math.Min(prefix.Length, PrefixMax)), Suffix());

    /// <summary>Five random characters.</summary>
    public string Suffix()
    {
        lock (_gate)
        {
            return new string(random.GetItems<char>(Alphabet, SuffixLength));
        }
    }
}
