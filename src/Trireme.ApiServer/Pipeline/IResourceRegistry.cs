using Trireme.Api.Schema;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// Everything behind the pipeline: handlers, admission and watch caches over the store. The host makes one (class <c>ResourceRegistry</c> in
/// folder Registry, from its own options record, an <see cref="Storage.IRevisionedStore"/>, <see cref="TimeProvider"/> and logger factory) and runs it.
/// </summary>
/// <remarks>Resource versions, caches and observers work from construction on; they are filled once <see cref="RunAsync"/> runs.</remarks>
public interface IResourceRegistry : IResourceRequestHandler, IResourceReader
{
    /// <summary>Fills the caches and keeps them current until cancelled; survives every outage of the store by backing off.</summary>
    Task RunAsync(CancellationToken cancellationToken);

    /// <summary>Resources (<c>pods</c>, <c>deployments.apps</c>) whose cache was not filled yet; empty when the server can answer everything.</summary>
    IReadOnlyList<string> UnsyncedResources { get; }

    /// <summary>Every resource that is served now, in every version, reviews and connect subresources included; discovery is made of it.</summary>
    /// <remarks>Another list object whenever it changes (a CustomResourceDefinition), so that what was made of it can be kept as long as it is the same.</remarks>
    IReadOnlyList<ResourceDefinition> Definitions { get; }
}
