using Grpc.Core;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>What a failed call means for what is done next.</summary>
internal enum EtcdVerdict
{
    /// <summary>This member cannot serve now: try another.</summary>
    TryElsewhere,

    /// <summary>No answer in time: the member is gone, or slow. A probe tells which.</summary>
    Doubt,

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
        StatusCode.Unavailable or StatusCode.Internal or StatusCode.Cancelled => EtcdVerdict.TryElsewhere,
        StatusCode.DeadlineExceeded => EtcdVerdict.Doubt,
        StatusCode.OutOfRange when Says(exception, "compacted") => EtcdVerdict.Compacted,
        StatusCode.OutOfRange when Says(exception, "future revision") => EtcdVerdict.FutureRevision,
        StatusCode.InvalidArgument when Says(exception, "too large") => EtcdVerdict.TooLarge,
        StatusCode.ResourceExhausted when Says(exception, "larger than max") => EtcdVerdict.TooLarge,
        StatusCode.ResourceExhausted when Says(exception, "too many requests") => EtcdVerdict.TryAgain,

        // The leader is handing over and takes nothing up meanwhile.
        StatusCode.Unknown when Says(exception, "raft proposal dropped") => EtcdVerdict.TryAgain,
        StatusCode.Unknown when Says(exception, "leader changed") || Says(exception, "no leader")
            || Says(exception, "timed out") || Says(exception, "server stopped")
            || Says(exception, "context canceled") => EtcdVerdict.TryElsewhere,

        // The member noticed the deadline of our attempt before we did: as good as no answer.
        StatusCode.Unknown when Says(exception, "context deadline exceeded") => EtcdVerdict.Doubt,
        _ => EtcdVerdict.Refused,
    };

    /// <summary>Whether a write that failed so may have been, or may still be, applied.</summary>
    public static bool MayHaveApplied(RpcException exception) =>
        Judge(exception) is EtcdVerdict.TryElsewhere or EtcdVerdict.Doubt && !NeverSent(exception) && !Says(exception, "etcdserver: no leader");

    /// <summary>Whether the cluster refuses to grow: its database has reached the quota (alarm NOSPACE).</summary>
    /// <param name="exception">What etcd said, or our own exception with that as its cause.</param>
    public static bool IsOutOfSpace(Exception exception) =>
        (exception as RpcException ?? exception.InnerException as RpcException) is { } said && Says(said, "database space exceeded");

    /// <summary>An answer that is an error and would be the same elsewhere, in the words of the store contract.</summary>
    public static StoreUnavailableException Refused(RpcException exception, bool mayHaveApplied) =>
        new($"etcd refused: {exception.Status.Detail}", mayHaveApplied, exception);

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
