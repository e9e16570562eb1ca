using Trireme.Api.Schema;

namespace Trireme.ApiServer.CustomResources;

/// <summary>Where custom resources are served.</summary>
internal interface ICustomResourceHost
{
    /// <summary>Serves exactly these resources for a definition, instead of what it had before.</summary>
    void Serve(string definition, IReadOnlyList<ResourceDefinition> resources);

    /// <summary>Serves nothing of a definition any more.</summary>
    void Unserve(string definition);

    /// <summary>Fills the caches of resources that are new; false when some could not be.</summary>
    Task<bool> FillAsync(CancellationToken cancellationToken);
}
