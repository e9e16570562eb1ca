using System.Text.Json;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Api.Models;

/// <summary>A typed value of the API that reads and writes its own JSON without reflection.</summary>
public interface IModel<TSelf>
    where TSelf : IModel<TSelf>
{
    /// <summary>Reads the value at which <paramref name="reader"/> stands, and leaves it on the value's last token.</summary>
    /// <exception cref="JsonException">The JSON has another shape than the type.</exception>
    static abstract TSelf Read(ref ModelReader reader);

    /// <summary>Writes the value as Kubernetes would: empty optional fields are left out, unknown ones are kept.</summary>
    void Write(Utf8JsonWriter writer);
}

/// <summary>An object of the API: it has a kind, a name and a resource it belongs to.</summary>
public interface IKubernetesObject
{
    string? ApiVersion { get; set; }

    string? Kind { get; set; }

    /// <summary>Never null, also when the JSON had no metadata.</summary>
    ObjectMeta Metadata { get; set; }

    /// <summary>Writes the object as JSON.</summary>
    void Write(Utf8JsonWriter writer);
}

/// <summary>An object whose resource is known at compile time.</summary>
public interface IKubernetesObject<TSelf> : IKubernetesObject, IModel<TSelf>
    where TSelf : IKubernetesObject<TSelf>
{
    /// <summary>The resource that serves objects of this type.</summary>
    static abstract ResourceInfo Resource { get; }
}

/// <summary>What a client must know of a resource to address it.</summary>
/// <param name="Group">API group; empty for the core group.</param>
/// <param name="Version">Version, for example <c>v1</c>.</param>
/// <param name="Kind">Kind in singular, for example <c>Pod</c>.</param>
/// <param name="Plural">Path segment, for example <c>pods</c>.</param>
/// <param name="Namespaced">Whether objects live in a namespace.</param>
public sealed record ResourceInfo(string Group, string Version, string Kind, string Plural, bool Namespaced)
{
    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary><c>/api/v1</c> or <c>/apis/apps/v1</c>.</summary>
    public string ApiPath => Group.Length == 0 ? $"/api/{Version}" : $"/apis/{Group}/{Version}";

    /// <summary>Path of the collection, or of one object or subresource of it.</summary>
    public string Path(string? @namespace, string? name = null, string? subresource = null)
    {
        var path = Namespaced && @namespace is { Length: > 0 } ? $"{ApiPath}/namespaces/{@namespace}/{Plural}" : $"{ApiPath}/{Plural}";
        path = name is null ? path : $"{path}/{name}";
        return subresource is null ? path : $"{path}/{subresource}";
    }
}
