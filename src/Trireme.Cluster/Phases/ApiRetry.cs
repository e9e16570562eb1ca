using System.Net;
using Trireme.Client;

namespace Trireme.Cluster.Phases;

/// <summary>Repeats requests to a cluster that is still coming up.</summary>
internal static class ApiRetry
{
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Repeats until it succeeds. A young cluster has no namespaces (404), no roles (403) or no store (5xx) for a moment; after a minute
    /// the failure counts.
    /// </summary>
    public static async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> request, TimeProvider time, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await request(cancellationToken);
            }
            catch (Exception e) when (IsPassing(e) && time.GetElapsedTime(start) < _patience)
            {
                await Task.Delay(_poll, time, cancellationToken);
            }
        }
    }

    /// <inheritdoc cref="RunAsync{T}"/>
    public static Task RunAsync(Func<CancellationToken, Task> request, TimeProvider time, CancellationToken cancellationToken) => RunAsync(
        async token =>
        {
            await request(token);
            return true;
        },
        time,
        cancellationToken);

    private static bool IsPassing(Exception exception) => exception switch
    {
        ApiUnavailableException => true,
        ApiException api => api.Code is HttpStatusCode.NotFound or HttpStatusCode.Forbidden or HttpStatusCode.Conflict
            or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError,
        _ => false,
    };
}
