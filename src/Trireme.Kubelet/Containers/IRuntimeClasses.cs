using System.Collections.Concurrent;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Node.V1;
using Trireme.Client;

namespace Trireme.Kubelet.Containers;

/// <summary>Names of runtime handlers for pods that ask for a RuntimeClass.</summary>
public interface IRuntimeClasses
{
    /// <summary>The handler; empty for the default one.</summary>
    /// <exception cref="ApiException">There is no such class.</exception>
    Task<string> HandlerOfAsync(Pod pod, CancellationToken cancellationToken);
}

/// <summary><see cref="IRuntimeClasses"/> from the API. A class's handler is immutable: one that was seen is not asked for again.</summary>
public sealed class RuntimeClasses(IApiClient client) : IRuntimeClasses
{
    private readonly ConcurrentDictionary<string, string> _handlers = new(StringComparer.Ordinal);

    public async Task<string> HandlerOfAsync(Pod pod, CancellationToken cancellationToken)
    {
        if (pod.Spec?.RuntimeClassName is not { Length: > 0 } name)
        {
            return "";
        }

        if (!_handlers.TryGetValue(name, out var handler))
        {
            var runtimeClass = await client.GetAsync<RuntimeClass>(null, name, cancellationToken);
            handler = _handlers[name] = runtimeClass.Handler ?? "";
        }

        return handler;
    }
}
