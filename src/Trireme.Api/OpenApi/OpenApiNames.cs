using Trireme.Api.Schema;

namespace Trireme.Api.OpenApi;

/// <summary>The names by which OpenAPI documents call the types: <c>core.v1.Pod</c> is <c>io.k8s.api.core.v1.Pod</c>.</summary>
internal static class OpenApiNames
{
    public const string Quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
    public const string IntOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
    public const string Time = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
    public const string MicroTime = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";
    public const string Meta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

    private static readonly Dictionary<string, string> Prefixes = ApiFacts.Root.GetProperty("openapiPrefix").EnumerateObject()
        .ToDictionary(p => p.Name, p => p.Value.GetString()!, StringComparer.Ordinal);

    /// <summary>Name of a built-in type.</summary>
    public static string OfType(string typeName)
    {
        var dot = typeName.LastIndexOf('.');
        var prefix = typeName[..dot];
        return $"{Prefixes.GetValueOrDefault(prefix, "io.k8s.api." + prefix)}.{typeName[(dot + 1)..]}";
    }

    /// <summary>Name of a resource's kind; that of a custom one is its group backwards: <c>com.example.v1.Widget</c>.</summary>
    public static string OfKind(ResourceDefinition resource) => resource.Schema.Root.TypeName is { } type
        ? OfType(type)
        : $"{string.Join('.', resource.Group.Split('.').Reverse())}.{resource.Version}.{resource.Kind}";

    /// <summary>Name of a resource's list.</summary>
    public static string OfList(ResourceDefinition resource)
    {
        var kind = OfKind(resource);
        return kind[..(kind.LastIndexOf('.') + 1)] + resource.ListKind;
    }

    /// <summary>Name of the body of a subresource.</summary>
    public static string OfSubresource(ResourceDefinition resource, SubresourceDefinition subresource)
    {
        if (subresource.Kind is not { } kind)
        {
            return OfKind(resource);
        }

        return SchemaCatalog.TypePrefix(kind.Group) is { } prefix && SchemaCatalog.Find($"{prefix}.{kind.Version}.{kind.Kind}") is { TypeName: { } type }
            ? OfType(type)
            : OfKind(resource);
    }
}
