using System.Net;
using System.Text;
using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Client;

/// <summary>The API refused a request; its Status says why.</summary>
public sealed class ApiException(HttpStatusCode code, Status status) : Exception(status.Message ?? code.ToString())
{
    public HttpStatusCode Code { get; } = code;

    /// <summary>The Status object as the server sent it.</summary>
    public Status Status { get; } = status;

    /// <summary>Machine-readable reason, for example <c>NotFound</c>; empty when the server gave none.</summary>
    public string Reason => Status.Reason ?? "";

    public bool IsNotFound => Code == HttpStatusCode.NotFound;

    public bool IsConflict => Code == HttpStatusCode.Conflict && Reason != "AlreadyExists";

    public bool IsAlreadyExists => Reason == "AlreadyExists";

    /// <summary>History that was asked for is gone: list again.</summary>
    public bool IsExpired => Code == HttpStatusCode.Gone;

    /// <summary>Reads the Status out of an answer; a body that is none becomes the message.</summary>
    public static ApiException From(HttpStatusCode code, ReadOnlySpan<byte> body)
    {
        try
        {
            var status = ModelJson.Read<Status>(body);
            if (status.Kind == "Status")
            {
                return new ApiException(code, status);
            }
        }
        catch (JsonException)
        {
            // A proxy on the way, or a server that failed early: text, no Status.
        }

        var text = Encoding.UTF8.GetString(body[..Math.Min(body.Length, 512)]).Trim();
        return new ApiException(code, new Status { StatusValue = "Failure", Code = (int)code, Message = text.Length > 0 ? text : $"{(int)code} {code}" });
    }
}

/// <summary>No server could be reached, or none answered in time.</summary>
public sealed class ApiUnavailableException(string message, Exception? inner = null) : Exception(message, inner);
