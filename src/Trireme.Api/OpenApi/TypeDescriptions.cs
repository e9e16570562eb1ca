namespace Trireme.Api.OpenApi;

/// <summary>What <c>kubectl explain</c> says of the types and fields that people look up most: <c>Facts/descriptions.txt</c>.</summary>
internal static class TypeDescriptions
{
    /// <summary>The type whose fields' texts hold for every type.</summary>
    private const string AnyType = "*";

    private static readonly Lazy<Dictionary<(string Type, string Field), string>> s_texts = new(Load);

    /// <summary>The sentence for a type; empty when there is none.</summary>
    public static string Of(string typeName) => s_texts.Value.GetValueOrDefault((typeName, ""), "");

    /// <summary>The sentence for a field; empty when there is none.</summary>
    /// <param name="typeName">The type that has the field; null for one without a name.</param>
    /// <param name="field">Name of the field.</param>
    public static string Of(string? typeName, string field) =>
        typeName is not null && s_texts.Value.TryGetValue((typeName, field), out var text) ? text : s_texts.Value.GetValueOrDefault((AnyType, field), "");

    private static Dictionary<(string Type, string Field), string> Load()
    {
        using var stream = typeof(TypeDescriptions).Assembly.GetManifestResourceStream("Trireme.Api.Facts.descriptions.txt")
            ?? throw new InvalidOperationException("The assembly lacks its descriptions");
        using var reader = new StreamReader(stream);
        var texts = new Dictionary<(string Type, string Field), string>();
        var type = AnyType;
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            var isField = line[0] == ' ';
            var colon = line.IndexOf(": ", StringComparison.Ordinal);
            var name = (colon < 0 ? line : line[..colon]).Trim();
            type = isField ? type : name;
            if (colon > 0)
            {
                texts.Add((type, isField ? name : ""), line[(colon + 2)..]);
            }
        }

        return texts;
    }
}
