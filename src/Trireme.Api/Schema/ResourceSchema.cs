using Trireme.Api.Documents;

namespace Trireme.Api.Schema;

/// <summary>What the objects of one kind look like: the same for a built-in kind and for a CustomResourceDefinition.</summary>
public sealed class ResourceSchema
{
    public ResourceSchema(SchemaNode root, bool isCustom)
    {
        Root = root;
        IsCustom = isCustom;
    }

    /// <summary>Accepts everything: for kinds without a schema.</summary>
    public static ResourceSchema Untyped { get; } = new(SchemaNode.AnyValue, isCustom: true);

    /// <summary>Type of the whole object.</summary>
    public SchemaNode Root { get; }

    /// <summary>Whether the schema came from a CustomResourceDefinition: then it alone says what is required, allowed and defaulted.</summary>
    public bool IsCustom { get; }

    /// <summary>Reads the <c>openAPIV3Schema</c> of a CustomResourceDefinition's version; apiVersion, kind and metadata are added as every object has them.</summary>
    public static ResourceSchema FromOpenApi(ApiObject openApiV3Schema) => new(StructuralSchemaReader.ReadRoot(openApiV3Schema), isCustom: true);
}
