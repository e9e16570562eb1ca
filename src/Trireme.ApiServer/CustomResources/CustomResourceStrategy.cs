using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Registry;

namespace Trireme.ApiServer.CustomResources;

/// <summary>Custom resources: while their definition is being deleted no new ones are made, else it would never be empty.</summary>
internal sealed class CustomResourceStrategy(IResourceReader reader) : ResourceStrategy
{
    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        var definition = request.Resource.Definition;
        var name = $"{definition.Plural}.{definition.Group}";
        if (reader.Get(CustomResourceDefinitions.Group, CustomResourceDefinitions.Plural, null, name) is { } defined
            && ObjectScanner.GetString(defined.Json.Span, "metadata", "deletionTimestamp") is not null)
        {
            throw ApiStatusException.Create(405, "MethodNotAllowed", "create not allowed while custom resource definition is terminating");
        }

        base.PrepareForCreate(request, obj);
    }
}
