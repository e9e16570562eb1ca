using Microsoft.AspNetCore.Http;
using Trireme.Api;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// Ends requests that do not come to their end: a client that stops sending or reading, or a store that is slow, must not keep a place for ever.
/// Watches, logs and streams last as long as they like.
/// </summary>
internal sealed class DeadlineStage(TimeProvider timeProvider, RequestHandler next)
{
    /// <summary>What a request has when its client does not ask for less (<c>?timeout=</c>), as in Kubernetes.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    /// <exception cref="ApiStatusException">504: the time is up; the request may have been applied.</exception>
    public async Task InvokeAsync(HttpContext http, RequestContext context)
    {
        if (LongRunning.Is(context.Info))
        {
            await next(http, context);
            return;
        }

        var aborted = http.RequestAborted;
        using var deadline = new CancellationTokenSource(TimeoutOf(http.Request), timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(aborted, deadline.Token);
        http.RequestAborted = either.Token;
        try
        {
            await next(http, context);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !aborted.IsCancellationRequested)
        {
            throw new ApiStatusException(ApiStatus.Timeout("request did not complete within the allotted timeout, it may have been applied"));
        }
        finally
        {
            http.RequestAborted = aborted;
        }
    }

    private static TimeSpan TimeoutOf(HttpRequest request)
    {
        var text = request.Query["timeout"].ToString();
        if (text.Length == 0)
        {
            return Longest;
        }

        if (!GoDuration.TryParse(text, out var timeout))
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"invalid timeout specified in the request URL: time: invalid duration \"{text}\""));
        }

        return timeout > TimeSpan.Zero && timeout < Longest ? timeout : Longest;
    }
}
