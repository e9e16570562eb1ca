using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Objects;

/// <summary>What pods refer to, as it was last seen: it stays available when no API server can be reached.</summary>
public interface IPodObjects
{
    /// <summary>Null when the object does not exist.</summary>
    /// <exception cref="Client.ApiUnavailableException">The API cannot be reached and the object was never seen.</exception>
    /// <exception cref="Client.ApiException">The API refuses to show it.</exception>
    Task<ConfigMap?> FindConfigMapAsync(Pod pod, string name, CancellationToken cancellationToken);

    /// <inheritdoc cref="FindConfigMapAsync"/>
    Task<Secret?> FindSecretAsync(Pod pod, string name, CancellationToken cancellationToken);

    /// <summary>A token of the pod's service account, bound to the pod, renewed when most of its life is over.</summary>
    /// <param name="pod">To which the token is bound.</param>
    /// <param name="audience">Null for the API server itself.</param>
    /// <param name="expirationSeconds">Life that is asked for.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    Task<string> GetTokenAsync(Pod pod, string? audience, long expirationSeconds, CancellationToken cancellationToken);

    /// <summary>The services of a namespace, for environment variables; those of the last process while the API is away.</summary>
    /// <exception cref="Client.ApiUnavailableException">They were never read.</exception>
    Task<IEnumerable<Service>> ServicesAsync(string @namespace, CancellationToken cancellationToken);

    /// <summary>Forgets what only this pod referred to.</summary>
    void Release(string podUid);
}
