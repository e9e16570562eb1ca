using Trireme.Api;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Authn;

/// <summary>
/// Objects that credentials hang on, from the cache. A miss may only mean that the cache has not heard yet (the object was made through
/// another server a moment ago): then, and only then, the cache is waited for.
/// </summary>
internal static class CachedLookup
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>The object, or null when there is none as far as can be known now.</summary>
    /// <exception cref="ApiStatusException">503: the cache was never filled, so nothing can be said.</exception>
    public static async ValueTask<CachedObject?> FindAsync(
        IResourceReader reader, string group, string resource, string? @namespace, string name, CancellationToken cancellationToken, Func<CachedObject, bool>? fits = null)
    {
        var found = reader.Get(group, resource, @namespace, name);
        if (found is not null && (fits is null || fits(found)))
        {
            return found;
        }

        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(s_patience);
            await reader.WaitUntilCurrentAsync(group, resource, patience.Token);
        }
        catch (Exception e) when (e is StoreUnavailableException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            if (!reader.HasSynced(group, resource))
            {
                throw new ApiStatusException(ApiStatus.ServiceUnavailable($"The cache of {resource} is not filled yet"));
            }
        }

        return reader.Get(group, resource, @namespace, name);
    }
}
