using Microsoft.Extensions.Logging;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>Deletes Events an hour after they last changed. Etcd could do it by leases; this way every store can, and a write stays one write.</summary>
/// <remarks>Every server does it; a deletion demands the version that was seen, so several servers do not get into each other's way.</remarks>
internal sealed class EventExpiry(
    IRevisionedStore store, IResourceReader reader, ResourceRegistryOptions options, TimeProvider time, ILogger<EventExpiry> logger)
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMinutes(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(s_interval, time, cancellationToken);
                try
                {
                    await ExpireAsync(cancellationToken);
                }
                catch (StoreUnavailableException e)
                {
                    logger.LogWarning("Could not expire events, trying again in {Interval}: {Error}", s_interval, e.Message);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    logger.LogError(e, "Could not expire events, trying again in {Interval}", s_interval);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Deletes what has expired by now.</summary>
    internal async Task ExpireAsync(CancellationToken cancellationToken)
    {
        var limit = time.GetUtcNow() - options.EventTtl;
        foreach (var expired in reader.List("", "events"))
        {
            if (LastChange(expired.Json.Span) < limit)
            {
                var key = $"{options.StoreRoot}events/{expired.Namespace}/{expired.Name}";
                await store.CommitAsync(Transaction.Delete(key, new Revision(expired.ResourceVersion)), cancellationToken);
            }
        }
    }

    private static DateTimeOffset LastChange(ReadOnlySpan<byte> json)
    {
        var newest = DateTimeOffset.MinValue;
        foreach (var text in (ReadOnlySpan<string?>)
        [
            ObjectScanner.GetString(json, "metadata", "creationTimestamp"),
            ObjectScanner.GetString(json, "lastTimestamp"),
            ObjectScanner.GetString(json, "eventTime"),
            ObjectScanner.GetString(json, "series", "lastObservedTime"),
        ])
        {
            if (DateTimeOffset.TryParse(
                text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var parsed) && parsed > newest)
            {
                newest = parsed;
            }
        }

        return newest;
    }
}
