using Microsoft.AspNetCore.Http;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Streaming;

/// <summary>What a streaming request is about.</summary>
public enum StreamingVerb
{
    Exec,
    Attach,
    PortForward,
}

/// <summary>A streaming request whose client was let in and whose pod was found.</summary>
/// <param name="Verb">Exec, attach or port-forward.</param>
/// <param name="Pod">The pod as the kubelet knows it.</param>
/// <param name="SandboxId">Id of the pod's ready sandbox at the runtime.</param>
/// <param name="ContainerId">Id of the named container, which runs; null for port-forward.</param>
/// <param name="Tty">Whether the container was made with a terminal; attach must match it.</param>
public sealed record StreamingRequest(StreamingVerb Verb, Pod Pod, string SandboxId, string? ContainerId, bool Tty);

/// <summary>Serves exec, attach and port-forward: bridges a client's connection to the URL that the runtime hands out.</summary>
public interface IStreamingEndpoints
{
    /// <summary>
    /// Serves one request to its end. Query parameters (<c>command</c>, <c>input</c>, <c>output</c>, <c>error</c>, <c>tty</c>, <c>port</c>) are
    /// still on the <paramref name="context"/>; nothing has been written to the response.
    /// </summary>
    Task HandleAsync(HttpContext context, StreamingRequest request, CancellationToken cancellationToken);
}
