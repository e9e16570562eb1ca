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
    /// <summary>Levels between an object and its fields in <c>metadata.managedFields</c>, and some to spare.</summary>
    private const int OwnershipDepth = 16;

    /// <summary>Sets what the client left to the server.</summary>
    public static void ApplyDefaults(ApiDocument obj, ResourceDefinition resource) => ObjectDefaults.Apply(obj, resource);

    public static List<FieldError> ValidateCreate(ApiDocument obj, ResourceDefinition resource) =>
        [.. ObjectValidator.ValidateCreate(obj, resource)];

    public static List<FieldError> ValidateUpdate(ApiDocument obj, ApiDocument old, ResourceDefinition resource, string subresource) =>
        [.. ObjectValidator.ValidateUpdate(obj, old, resource, subresource.Length == 0 ? null : subresource)];

    /// <summary>Brings an object into its stored form: values of wrong types are refused, unknown fields go, and the client hears of them as it wished.</summary>
    /// <param name="request">The request.</param>
    /// <param name="obj">The object; changed in place.</param>
    /// <param name="duplicateFields">Fields that the body gave twice.</param>
    /// <param name="patched">For an object that a patch made: what to show of it in an error. Null for one that came whole.</param>
    /// <exception cref="ApiStatusException">The object has values of wrong types, or unknown or repeated fields where the client is strict.</exception>
    public static void CheckSchema(WriteRequest request, ApiDocument obj, IReadOnlyList<string> duplicateFields, Func<string>? patched = null)
    {
        var definition = request.Resource.Definition;
        var decoded = ObjectDecoder.Decode(obj, definition);
        if (decoded.Error is { Length: > 0 } error)
        {
            throw Refused(definition, error, patched);
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
            throw Refused(definition, $"strict decoding error: {string.Join(", ", problems)}", patched);
        }

        problems.ForEach(request.Warn);
    }

    /// <summary>Refuses an object that not every reader could read.</summary>
    /// <remarks>The record of who owns which fields repeats the nesting of the rest a few levels further in, so it has a measure of its own.</remarks>
    /// <exception cref="ApiStatusException">400: it nests too deep.</exception>
    public static void CheckDepth(ApiDocument obj)
    {
        foreach (var (name, value) in obj.Root)
        {
            if (name == "metadata" && value is ApiObject metadata)
            {
                foreach (var (field, part) in metadata)
                {
                    Demand(part, field == "managedFields" ? JsonDepth.Intake + OwnershipDepth : JsonDepth.Intake, levels: 2);
                }
            }
            else
            {
                Demand(value, JsonDepth.Intake, levels: 1);
            }
        }

        static void Demand(ApiNode node, int max, int levels)
        {
            if (node.IsDeeperThan(max - levels))
            {
                throw new ApiStatusException(ApiStatus.BadRequest($"json: exceeded max depth of {JsonDepth.Intake}"));
            }
        }
    }

    private static ApiStatusException Refused(ResourceDefinition definition, string error, Func<string>? patched) => new(patched is null
        ? ApiStatus.CannotDecode(definition.GroupVersionKind, error)
        : ApiStatus.Invalid(new GroupKind("", ""), "", [FieldError.Invalid(FieldPath.Of("patch"), patched(), error)]));
}
