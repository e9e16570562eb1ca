using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Validation;

namespace Trireme.ApiServer.Registry;

/// <summary>What the schema and the kind's own rules say of an object: the one place where the registry asks <c>Trireme.Api</c>.</summary>
internal static class ObjectRules
{
    public static void ApplyDefaults(ApiDocument obj, ResourceDefinition resource)
    {
    }

    public static List<FieldError> ValidateCreate(ApiDocument obj, ResourceDefinition resource) => [];

    public static List<FieldError> ValidateUpdate(ApiDocument obj, ApiDocument old, ResourceDefinition resource, string subresource) => [];

    /// <summary>Prunes fields that the schema does not know and reports them with type errors.</summary>
    public static void CheckSchema(WriteRequest request, ApiDocument obj, List<string> duplicateFields)
    {
    }
}
