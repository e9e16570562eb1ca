using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Trireme.Api;
using Trireme.ApiServer.Authz;
using Trireme.Storage;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// The first stage: makes the request's context, turns whatever the stages behind it throw into a Status, and counts the request.
/// </summary>
internal sealed class PanicRecoveryStage(
    IAuthorizer authorizer, RequestMetrics metrics, TimeProvider timeProvider, ILogger<PanicRecoveryStage> log, RequestHandler next, CancellationToken draining)
{
    public async Task InvokeAsync(HttpContext http)
    {
        var info = RequestInfoFactory.Create(http);
        var auditId = http.Request.Headers["Audit-ID"].ToString() is { Length: > 0 and <= 64 } given ? given : Guid.CreateVersion7(timeProvider.GetUtcNow()).ToString();
        var context = new RequestContext { Info = info, Authorizer = authorizer, Draining = draining, AuditId = auditId };
        http.Features.Set(context);
        http.Response.Headers["Audit-Id"] = auditId;
        http.Response.Headers.CacheControl = "no-cache, private";
        var started = timeProvider.GetTimestamp();
        metrics.Begin(info);
        try
        {
            await next(http, context);
        }
        catch (Exception e)
        {
            await AnswerAsync(http, info, e);
        }
        finally
        {
            context.ReleaseSlot();
            metrics.End(info, http.Response.StatusCode, timeProvider.GetElapsedTime(started));
        }
    }

    private async Task AnswerAsync(HttpContext http, RequestInfo info, Exception e)
    {
        if (e is OperationCanceledException or IOException && http.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        var failure = e switch
        {
            ApiStatusException refused => refused,
            StoreUnavailableException gone => Unavailable(info, gone),
            StoreRequestTooLargeException large => new ApiStatusException(ApiStatus.RequestEntityTooLarge(large.Message)),
            BadHttpRequestException bad => ApiStatusException.Create(bad.StatusCode, "BadRequest", bad.Message),
            _ => null,
        };
        if (failure is null)
        {
            log.LogError(e, "Request {Method} {Path} failed", http.Request.Method, info.Path);
            failure = new ApiStatusException(ApiStatus.InternalError(e.GetType().Name));
        }

        if (http.Response.HasStarted)
        {
            // Half an answer must not look like a whole one.
            http.Abort();
            return;
        }

        var (auditId, warnings) = (http.Response.Headers["Audit-Id"], http.Response.Headers["Warning"]);
        http.Response.Clear();
        http.Response.Headers["Audit-Id"] = auditId;
        http.Response.Headers["Warning"] = warnings;
        try
        {
            await StatusWriter.WriteAsync(http, failure);
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException)
        {
            Debug.Assert(http.RequestAborted.IsCancellationRequested, "Only a client that left makes a Status unwritable");
        }
    }

    /// <summary>Without the store a read or a write that never left is 503; a write that may have been applied is 504: look first.</summary>
    /// <remarks>
    /// No Retry-After: the store has had longer than an election takes, and with it clients would ask ten times, a minute, before they tell their user.
    /// </remarks>
    private static ApiStatusException Unavailable(RequestInfo info, StoreUnavailableException e) =>
        e.MayHaveApplied && !info.IsReadOnly
            ? new ApiStatusException(ApiStatus.Timeout($"The store did not confirm the request, it may have been applied: {e.Message}"))
            : new ApiStatusException(ApiStatus.ServiceUnavailable($"The store is unavailable: {e.Message}", retryAfterSeconds: 0));
}
