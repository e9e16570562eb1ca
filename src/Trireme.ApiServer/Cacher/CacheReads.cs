using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>What get, list and watch have in common: which state of the cache a request may see, and when it must wait for it.</summary>
internal sealed class CacheReads(Reflector reflector, ConsistentReads consistentReads, TimeProvider time)
{
    /// <summary>How long a request waits for a version that the cache has not reached, as in Kubernetes.</summary>
    private static readonly TimeSpan s_freshnessTimeout = TimeSpan.FromSeconds(3);

    public const string StaleWarning = $"299 - \"{StaleRead.Text}\"";

    /// <summary>Waits until the cache may answer; marks the answer when the store could not confirm that it is the newest.</summary>
    /// <returns>False when the newest state was asked for and not confirmed: what is there may be shown, but that something is not there may not be said.</returns>
    /// <exception cref="ApiStatusException">The cache is not filled, or far from the version that is asked for.</exception>
    public async Task<bool> WaitAsync(HttpContext http, WatchCache cache, VersionMatch match, Revision revision, CancellationToken cancellationToken)
    {
        if (!cache.Filled.IsCompleted)
        {
            await WaitUntilFilledAsync(cache, cancellationToken);
        }

        if (match == VersionMatch.Consistent)
        {
            if (!await consistentReads.ConfirmAsync(cancellationToken))
            {
                http.Response.Headers.Append("Warning", StaleWarning);
                return false;
            }
        }
        else if (match is VersionMatch.NotOlderThan or VersionMatch.Exact && cache.Read().Revision < revision)
        {
            await WaitForAsync(cache, revision, cancellationToken);
        }

        return true;
    }

    /// <summary>One object, waited for as above.</summary>
    /// <exception cref="ApiStatusException">404: it does not exist. 503: it is not here, and the store did not confirm that it does not exist.</exception>
    public async Task<CacheEntry> FindAsync(
        HttpContext http, WatchCache cache, RequestInfo info, VersionMatch match, Revision revision, CancellationToken cancellationToken)
    {
        var confirmed = await WaitAsync(http, cache, match, revision, cancellationToken);
        return cache.Find(info.Namespace, info.Name)
            ?? throw new ApiStatusException(confirmed
                ? ApiStatus.NotFound(cache.Resource.Definition.GroupResource, info.Name)
                : Unconfirmed($"{cache.Resource.Definition.GroupResource} \"{info.Name}\" is not in the cache"));
    }

    /// <summary>503: something is not here, and may be elsewhere.</summary>
    public static ApiStatus Unconfirmed(string what) =>
        ApiStatus.ServiceUnavailable($"The store is unavailable: {what}, and the store did not confirm that it does not exist", retryAfterSeconds: 0);

    /// <summary>The objects as of a revision, from the cache or the store's history.</summary>
    /// <exception cref="StoreCompactedException">That history is gone.</exception>
    public async Task<ObjectSnapshot> ReadAtAsync(WatchCache cache, Revision revision, CancellationToken cancellationToken)
    {
        if (cache.ReadAt(revision) is { } known)
        {
            return known;
        }

        var snapshot = await reflector.ReadStoreAsync(cache, revision, cancellationToken);
        cache.Pin(revision, snapshot);
        return snapshot;
    }

    private async Task WaitUntilFilledAsync(WatchCache cache, CancellationToken cancellationToken)
    {
        try
        {
            await cache.Filled.WaitAsync(s_freshnessTimeout, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new ApiStatusException(ApiStatus.TooManyRequests($"The cache of {cache.Resource.Name} is being filled, please try again", 1));
        }
    }

    private async Task WaitForAsync(WatchCache cache, Revision revision, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(s_freshnessTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            await reflector.WaitForAsync(revision, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ApiStatusException(ApiStatus.Timeout($"Too large resource version: {revision}, current: {cache.Read().Revision}", 1) with
            {
                Causes = [new StatusCause("ResourceVersionTooLarge", "Too large resource version", "")],
            });
        }
    }
}
