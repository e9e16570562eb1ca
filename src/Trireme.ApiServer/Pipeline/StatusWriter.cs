using System.Globalization;
using Microsoft.AspNetCore.Http;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Writes Status objects as answers, so that every stage and handler fails in one shape.</summary>
public static class StatusWriter
{
    /// <summary>Answers with the Status of an exception.</summary>
    public static Task WriteAsync(HttpContext http, ApiStatusException exception)
    {
        if (exception.RetryAfterSeconds is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        return WriteAsync(http, exception.Status);
    }

    /// <summary>Answers with a Status object; its code becomes the HTTP status code.</summary>
    public static Task WriteAsync(HttpContext http, Status status)
    {
        status.ApiVersion ??= "v1";
        status.Kind ??= "Status";
        status.Metadata ??= new ListMeta();
        http.Response.StatusCode = status.Code == 0 ? StatusCodes.Status200OK : status.Code;
        return JsonAnswer.WriteAsync(http, ModelJson.ToUtf8(status));
    }
}
