using System.Globalization;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.ApiServer.Pipeline;

/// <summary>The request ends with this Status object as its answer.</summary>
public sealed class ApiStatusException(Status status) : Exception(status.Message)
{
    /// <summary>What the client is told; its code is the HTTP status code.</summary>
    public Status Status { get; } = status;

    /// <summary>Sent as <c>Retry-After</c>; null for none.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>A failure with code, reason and message.</summary>
    public static ApiStatusException Create(int code, string reason, string message, StatusDetails? details = null) =>
        new(new Status
        {
            ApiVersion = "v1",
            Kind = "Status",
            Metadata = new ListMeta(),
            StatusValue = "Failure",
            Message = message,
            Reason = reason,
            Details = details,
            Code = code,
        })
        {
            RetryAfterSeconds = details?.RetryAfterSeconds is > 0 and var seconds ? seconds : null,
        };

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Status.Code} {Status.Reason}: {Status.Message}");
}
