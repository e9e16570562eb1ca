using Trireme.Api;

namespace Trireme.ApiServer.Pipeline;

/// <summary>The request ends with this Status as its answer.</summary>
public sealed class ApiStatusException(ApiStatus status) : Exception(status.Message)
{
    /// <summary>What the client is told; its code is the HTTP status code, its <see cref="ApiStatus.RetryAfterSeconds"/> the header <c>Retry-After</c>.</summary>
    public ApiStatus Status { get; } = status;

    /// <summary>A failure that <see cref="ApiStatus"/> has no words for.</summary>
    public static ApiStatusException Create(int code, string reason, string message) =>
        new(new ApiStatus { Code = code, Reason = reason, Message = message });

    public override string ToString() => Status.ToString();
}
