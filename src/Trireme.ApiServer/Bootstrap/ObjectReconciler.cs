using Microsoft.AspNetCore.Http;
using Trireme.Api.Models;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>Makes objects be there, and hold at least what they should; safe for many servers at once.</summary>
internal sealed class ObjectReconciler(Loopback loopback, IResourceReader reader)
{
    private const int Parallelism = 16;

    /// <summary>Reconciles objects of one kind, many at a time.</summary>
    /// <param name="wanted">The objects as they should be.</param>
    /// <param name="complete">Completes an object that exists with what it lacks; false when it lacks nothing. Null leaves what exists alone.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <exception cref="ApiStatusException">A request was refused for a reason that another try may not have.</exception>
    public Task EnsureAsync<T>(IEnumerable<T> wanted, Func<T, T, bool>? complete, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        Parallel.ForEachAsync(
            wanted,
            new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken },
            async (obj, token) => await EnsureAsync(obj, complete, token));

    private async Task EnsureAsync<T>(T wanted, Func<T, T, bool>? complete, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        // The cache is current enough: what it lacks is created, and a conflict shows that it was behind.
        var cached = reader.Get(T.Resource.Group, T.Resource.Plural, wanted.Metadata.Namespace, wanted.Metadata.Name!);
        var existing = cached is null ? null : ModelJson.Read<T>(cached.Json.Span);
        if (existing is null)
        {
            var created = await loopback.CreateAsync(wanted, cancellationToken);
            if (created.Code != StatusCodes.Status409Conflict)
            {
                created.Demand();
                return;
            }

            existing = await loopback.FindAsync<T>(wanted.Metadata.Namespace, wanted.Metadata.Name!, cancellationToken);
        }

        if (existing is null || complete is null || !complete(existing, wanted))
        {
            return;
        }

        var updated = await loopback.UpdateAsync(existing, cancellationToken);
        if (updated.Code != StatusCodes.Status409Conflict)
        {
            updated.Demand();
        }
    }
}
