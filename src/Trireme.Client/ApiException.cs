using System.Net;
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
}

/// <summary>No server could be reached, or none answered in time.</summary>
public sealed class ApiUnavailableException(string message, Exception? inner = null) : Exception(message, inner);
