namespace Trireme.ApiServer.Cacher;

/// <summary>The labels of an object as a flat array; objects have few, so a linear search beats a dictionary in time and in memory.</summary>
public readonly struct LabelPairs
{
    private readonly string[] _pairs;

    /// <param name="pairs">Key, value, key, value and so on.</param>
    internal LabelPairs(string[] pairs) => _pairs = pairs;

    public static LabelPairs None { get; } = new([]);

    public int Count => _pairs.Length / 2;

    public bool TryGetValue(string key, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out string? value)
    {
        for (var i = 0; i < _pairs.Length; i += 2)
        {
            if (string.Equals(_pairs[i], key, StringComparison.Ordinal))
            {
                value = _pairs[i + 1];
                return true;
            }
        }

        value = null;
        return false;
    }
}
