namespace Trireme.ApiServer.Cacher;

/// <summary>What a watch cache must know of a resource.</summary>
public sealed record CachedResource
{
    /// <summary>For messages: <c>pods</c> or <c>deployments.apps</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Common beginning of its keys in the store, with a slash at the end.</summary>
    public required string Prefix { get; init; }

    public required bool Namespaced { get; init; }

    public required string Kind { get; init; }

    public required string ApiVersion { get; init; }

    /// <summary>Selectable fields beside metadata.name and metadata.namespace.</summary>
    public IReadOnlyList<string> FieldPaths { get; init; } = [];

    /// <summary>Makes the served form of a stored value, for a version that is not the stored one; null when they are the same.</summary>
    public Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? Transform { get; init; }

    /// <summary>Key of an object.</summary>
    public string Key(string? @namespace, string name) =>
        Namespaced ? string.Concat(Prefix, @namespace, "/", name) : Prefix + name;

    /// <summary>Beginning of the keys of a namespace, or of all.</summary>
    public string PrefixOf(string? @namespace) =>
        Namespaced && !string.IsNullOrEmpty(@namespace) ? string.Concat(Prefix, @namespace, "/") : Prefix;

    /// <summary>Namespace and name from a key under <see cref="Prefix"/>.</summary>
    public (string? Namespace, string Name) ParseKey(string key)
    {
        var rest = key.AsSpan(Prefix.Length);
        var slash = Namespaced ? rest.IndexOf('/') : -1;
        return slash < 0 ? (null, rest.ToString()) : (rest[..slash].ToString(), rest[(slash + 1)..].ToString());
    }
}
