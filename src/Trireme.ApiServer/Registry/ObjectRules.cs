using Trireme.Api;
using Trireme.Api.Defaulting;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Validation;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>What the schema and the kind's own rules say of an object: the one place where the registry asks <c>Trireme.Api</c>.</summary>
internal static class ObjectRules
{
    /// <summary>Sets what the client left to the server.</summary>
    public static void ApplyDefaults(ApiDocument obj, ResourceDefinition resource) => ObjectDefaults.Apply(obj, resource);

    public static List<FieldError> ValidateCreate(ApiDocument obj, ResourceDefinition resource) =>
        [.. ObjectValidator.ValidateCreate(obj, resource)];

    public static List<FieldError> ValidateUpdate(ApiDocument obj, ApiDocument old, ResourceDefinition resource, string subresource) =>
        [.. ObjectValidator.ValidateUpdate(obj, old, resource, subresource.Length == 0 ? null : subresource)];

    /// <summary>Brings an object into its stored form: values of wrong types are refused, unknown fields go, and the client hears of them as it wished.</summary>
    /// <exception cref="ApiStatusException">The object has values of wrong types, or unknown or repeated fields where the client is strict.</exception>
    public static void CheckSchema(WriteRequest request, ApiDocument obj, IReadOnlyList<string> duplicateFields)
    {
        var definition = request.Resource.Definition;
        var decoded = ObjectDecoder.Decode(obj, definition);
        if (decoded.Error is { Length: > 0 } error)
        {
            throw new ApiStatusException(ApiStatus.BadRequest(
                $"{definition.Kind} in version \"{definition.Version}\" cannot be handled as a {definition.Kind}: {error}"));
        }

        if (request.FieldValidation == FieldValidation.Ignore || (decoded.UnknownFields.Count == 0 && duplicateFields.Count == 0))
        {
            return;
        }

        List<string> problems =
        [
            .. decoded.UnknownFields.Select(f => $"unknown field \"{f}\""),
            .. duplicateFields.Select(f => $"duplicate field \"{f}\""),
        ];
        if (request.FieldValidation == FieldValidation.Strict)
        {
            throw new ApiStatusException(ApiStatus.BadRequest(
                $"{definition.Kind} in version \"{definition.Version}\" cannot be handled as a {definition.Kind}: strict decoding error: {string.Join(", ", problems)}"));
        }

        problems.ForEach(request.Warn);
    }
}
