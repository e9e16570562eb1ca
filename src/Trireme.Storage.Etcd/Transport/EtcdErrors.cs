using Grpc.Core;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>What a failed call means for what is done next.</summary>
internal enum EtcdVerdict
{
    /// <summary>This member cannot serve now: try another.</summary>
    TryElsewhere,

    /// <summary>The cluster is busy: try again after a pause, anywhere.</summary>
    TryAgain,

    /// <summary>The revision asked for is compacted.</summary>
    Compacted,

    /// <summary>The revision asked for is still to come.</summary>
    FutureRevision,

    /// <summary>The request is larger than members accept.</summary>
    TooLarge,

    /// <summary>The cluster refuses writes, or the client: trying again does not help.</summary>
    Refused,
}

/// <summary>Reads etcd's errors. The texts are etcd's own (api/v3rpc/rpctypes/error.go) and have been the same since 3.2.</summary>
internal static class EtcdErrors
{
    public static EtcdVerdict Judge(RpcException exception) => exception.StatusCode switch
    {
        // Cancelled comes from our side only when a connection is given up (the caller's own cancellation is told apart before).
        StatusCode.Unavailable or StatusCode.Internal or StatusCode.DeadlineExceeded or StatusCode.Cancelled
            => EtcdVerdict.TryElsewhere,
        StatusCode.OutOfRange when Says(exception, "compacted") => EtcdVerdict.Compacted,
        StatusCode.OutOfRange when Says(exception, "future revision") => EtcdVerdict.FutureRevision,
        StatusCode.InvalidArgument when Says(exception, "too large") => EtcdVerdict.TooLarge,
        StatusCode.ResourceExhausted when Says(exception, "larger than max") => EtcdVerdict.TooLarge,
        StatusCode.ResourceExhausted when Says(exception, "too many requests") => EtcdVerdict.TryAgain,
        StatusCode.Unknown when Says(exception, "leader changed") || Says(exception, "no leader")
            || Says(exception, "timed out") || Says(exception, "server stopped")

            // The member noticed the deadline of our attempt before we did: as good as no answer.
            || Says(exception, "context deadline exceeded") || Says(exception, "context canceled") => EtcdVerdict.TryElsewhere,
        _ => EtcdVerdict.Refused,
    };

    /// <summary>Whether a write that failed so may have been, or may still be, applied.</summary>
    public static bool MayHaveApplied(RpcException exception) =>
        Judge(exception) == EtcdVerdict.TryElsewhere && !NeverSent(exception) && !Says(exception, "etcdserver: no leader");

    /// <summary>Whether the cluster refuses to grow: its database has reached the quota (alarm NOSPACE).</summary>
    public static bool IsOutOfSpace(RpcException exception) => Says(exception, "database space exceeded");

    /// <summary>Short text for people: which member said what.</summary>
    public static string Describe(Uri endpoint, RpcException exception)
    {
        var cause = exception.Status.DebugException?.GetBaseException().Message;
        var detail = string.IsNullOrEmpty(exception.Status.Detail) ? $"{exception.StatusCode}" : exception.Status.Detail;
        return NeverSent(exception) && cause is not null
            ? $"{endpoint.Authority}: {cause}"
            : exception.StatusCode == StatusCode.DeadlineExceeded
                ? $"{endpoint.Authority}: no answer in time"
                : $"{endpoint.Authority}: {detail}";
    }

    private static bool NeverSent(RpcException exception) =>
        exception.Status.DebugException is HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
                or HttpRequestError.SecureConnectionError,
        };

    private static bool Says(RpcException exception, string text) =>
        exception.Status.Detail.Contains(text, StringComparison.Ordinal);
}
