using System.Globalization;
using Microsoft.AspNetCore.Http;
using Trireme.Api;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Writes Status objects as answers, so that every stage and handler fails in one shape.</summary>
public static class StatusWriter
{
    /// <summary>Answers with the Status of an exception.</summary>
    public static Task WriteAsync(HttpContext http, ApiStatusException exception) => WriteAsync(http, exception.Status);

    /// <summary>Answers with a Status object; its code becomes the HTTP status code.</summary>
    public static Task WriteAsync(HttpContext http, ApiStatus status)
    {
        if (status.RetryAfterSeconds > 0)
        {
            http.Response.Headers.RetryAfter = status.RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        }

        http.Response.StatusCode = status.Code;
        return JsonAnswer.WriteAsync(http, status.ToUtf8());
    }
}
