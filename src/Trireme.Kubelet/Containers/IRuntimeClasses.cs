using System.Collections.Concurrent;
using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Node.V1;
using Trireme.Client;
using Trireme.Kubelet.Checkpoints;

namespace Trireme.Kubelet.Containers;

/// <summary>Names of runtime handlers for pods that ask for a RuntimeClass.</summary>
public interface IRuntimeClasses
{
    /// <summary>The handler; empty for the default one.</summary>
    /// <exception cref="ApiException">There is no such class.</exception>
    Task<string> HandlerOfAsync(Pod pod, CancellationToken cancellationToken);
}

/// <summary><see cref="IRuntimeClasses"/> from the API. A class's handler is immutable: one that was seen is not asked for again.</summary>
/// <remarks>The last known ones are kept on disk for a process that starts while no API server can be reached.</remarks>
public sealed class RuntimeClasses(IApiClient client, CheckpointStore store) : IRuntimeClasses
{
    private readonly ConcurrentDictionary<string, string> _handlers = new(StringComparer.Ordinal);

    public async Task<string> HandlerOfAsync(Pod pod, CancellationToken cancellationToken)
    {
        if (pod.Spec?.RuntimeClassName is not { Length: > 0 } name)
        {
            return "";
        }

        if (_handlers.TryGetValue(name, out var handler))
        {
            return handler;
        }

        var checkpoint = Path.Combine("runtimeclasses", name + ".json");
        try
        {
            var runtimeClass = await client.GetAsync<RuntimeClass>(null, name, cancellationToken);
            store.TrySave(checkpoint, ModelJson.ToUtf8(runtimeClass));
            return _handlers[name] = runtimeClass.Handler ?? "";
        }
        catch (ApiUnavailableException)
        {
            // Not remembered: the class may be another one by the time that the API is back.
            if (Recall(checkpoint) is { } known)
            {
                return known.Handler ?? "";
            }

            throw;
        }
    }

    private RuntimeClass? Recall(string checkpoint)
    {
        try
        {
            return store.Load(checkpoint) is { } content ? ModelJson.Read<RuntimeClass>(content) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
