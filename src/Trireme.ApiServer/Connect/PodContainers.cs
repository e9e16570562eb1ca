using Trireme.Api;
using Trireme.Api.Models.Core.V1;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Connect;

/// <summary>Which container of a pod a request means.</summary>
public static class PodContainers
{
    /// <summary>The container that was named, or the only one there is.</summary>
    /// <exception cref="ApiStatusException">400, in Kubernetes' words: no such container, or which of several.</exception>
    public static string Choose(Pod pod, string? wanted)
    {
        var name = pod.Metadata.Name;
        List<string> containers = [.. (pod.Spec?.Containers ?? []).Select(c => c.Name ?? "")];
        List<string> init = [.. (pod.Spec?.InitContainers ?? []).Select(c => c.Name ?? "")];
        List<string> ephemeral = [.. (pod.Spec?.EphemeralContainers ?? []).Select(c => c.Name ?? "")];
        if (!string.IsNullOrEmpty(wanted))
        {
            return containers.Contains(wanted) || init.Contains(wanted) || ephemeral.Contains(wanted)
                ? wanted
                : throw new ApiStatusException(ApiStatus.BadRequest($"container {wanted} is not valid for pod {name}"));
        }

        if (containers.Count == 1)
        {
            return containers[0];
        }

        var message = $"a container name must be specified for pod {name}";
        if (containers.Count > 1)
        {
            message += $", choose one of: [{string.Join(' ', containers)}]";
            message += init.Count > 0 ? $" or one of the init containers: [{string.Join(' ', init)}]" : "";
            message += ephemeral.Count > 0 ? $" or one of the ephemeral containers: [{string.Join(' ', ephemeral)}]" : "";
        }

        throw new ApiStatusException(ApiStatus.BadRequest(message));
    }
}
