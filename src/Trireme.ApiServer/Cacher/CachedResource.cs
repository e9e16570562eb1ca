using Trireme.Api.Schema;

namespace Trireme.ApiServer.Cacher;

/// <summary>A resource in one served version, and where its objects are in the store.</summary>
public sealed class CachedResource
{
    /// <param name="definition">The resource.</param>
    /// <param name="root">Beginning of all keys, with a slash at the end.</param>
    public CachedResource(ResourceDefinition definition, string root)
    {
        Definition = definition;
        Prefix = PrefixOf(root, definition);
    }

    public ResourceDefinition Definition { get; }

    /// <summary>For messages: <c>pods</c> or <c>deployments.apps</c>.</summary>
    public string Name => Definition.GroupResource.ToString();

    /// <summary>Common beginning of its keys in the store, with a slash at the end.</summary>
    public string Prefix { get; }

    public bool Namespaced => Definition.Namespaced;

    /// <summary>Selectable fields beside metadata.name and metadata.namespace.</summary>
    public IReadOnlyList<string> FieldPaths => Definition.FieldSelectors;

    /// <summary>Makes the served form of a stored value, for a version that is not the stored one; null when they are the same.</summary>
    public Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? Transform { get; init; }

    /// <summary>Beginning of the keys of a resource: <c>/registry/pods/</c>, <c>/registry/apps/deployments/</c>.</summary>
    public static string PrefixOf(string root, ResourceDefinition definition)
    {
        var (group, resource) = definition.StorageResource;
        return group.Length == 0 ? $"{root}{resource}/" : $"{root}{group}/{resource}/";
    }

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
