namespace Trireme.Kubelet.Images;

/// <summary>An image name with what people leave out: <c>nginx</c> is <c>docker.io/library/nginx:latest</c>.</summary>
/// <param name="Registry">Host, with port.</param>
/// <param name="Repository">Path at the registry.</param>
/// <param name="Tag">Empty when only a digest is given.</param>
/// <param name="Digest">With its algorithm; empty when there is none.</param>
public readonly record struct ImageReference(string Registry, string Repository, string Tag, string Digest)
{
    private const string DefaultRegistry = "docker.io";

    /// <summary>False when the text is no image name.</summary>
    public static bool TryParse(string text, out ImageReference reference)
    {
        reference = default;
        var rest = text.Trim();
        var digest = "";
        if (rest.IndexOf('@', StringComparison.Ordinal) is var at and >= 0)
        {
            digest = rest[(at + 1)..];
            rest = rest[..at];
        }

        var tag = "";
        var colon = rest.LastIndexOf(':');
        if (colon > rest.LastIndexOf('/'))
        {
            tag = rest[(colon + 1)..];
            rest = rest[..colon];
        }

        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : rest[..slash];
        var hasRegistry = first == "localhost" || first.Contains('.', StringComparison.Ordinal) || first.Contains(':', StringComparison.Ordinal);
        var registry = hasRegistry ? first : DefaultRegistry;
        var repository = hasRegistry ? rest[(slash + 1)..] : slash < 0 ? $"library/{rest}" : rest;
        if (rest.Length == 0 || repository.Any(c => char.IsAsciiLetterUpper(c) || char.IsWhiteSpace(c)) || repository.EndsWith('/'))
        {
            return false;
        }

        reference = new ImageReference(registry, repository, tag.Length == 0 && digest.Length == 0 ? "latest" : tag, digest);
        return true;
    }

    /// <summary>The whole name.</summary>
    public override string ToString() =>
        $"{Registry}/{Repository}{(Tag.Length > 0 ? ":" + Tag : "")}{(Digest.Length > 0 ? "@" + Digest : "")}";
}
