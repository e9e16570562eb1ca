using Grpc.Core;

namespace Trireme.Kubelet.Cri;

/// <summary>The container runtime refused or failed a call; the message is its own.</summary>
public sealed class CriException(StatusCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The gRPC code of the answer.</summary>
    public StatusCode Code { get; } = code;

    public bool IsNotFound => Code == StatusCode.NotFound;

    /// <summary>The runtime has no such call.</summary>
    public bool IsUnimplemented => Code == StatusCode.Unimplemented;

    /// <summary>Nobody listens on the runtime's socket, or the connection broke.</summary>
    public bool IsUnavailable => Code == StatusCode.Unavailable;

    public bool IsDeadlineExceeded => Code == StatusCode.DeadlineExceeded;
}
