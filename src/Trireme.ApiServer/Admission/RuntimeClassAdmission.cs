using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission;

/// <summary>A pod that names a runtime class bears what that costs beside its containers, and runs only where the class can.</summary>
/// <remarks>https://kubernetes.io/docs/concepts/containers/runtime-class/</remarks>
internal sealed class RuntimeClassAdmission(ResourceLookup lookup) : IAdmissionPlugin
{
    /// <inheritdoc/>
    public string Name => "RuntimeClass";

    /// <inheritdoc/>
    public async ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || !request.IsCore("pods") || request.Object?.Spec is not { } spec)
        {
            return;
        }

        ApiDocument? runtime = null;
        if (spec.GetString("runtimeClassName") is { Length: > 0 } name)
        {
            runtime = await lookup.FindAsync("node.k8s.io", "runtimeclasses", null, name, cancellationToken)
                ?? throw Forbidden(request, $"pod rejected: RuntimeClass \"{name}\" not found");
        }

        SetOverhead(request, spec, runtime);
        if (runtime?["scheduling"]?.AsObject() is { } scheduling)
        {
            SetNodeSelector(request, spec, scheduling);
            foreach (var toleration in scheduling.GetArray("tolerations")?.Objects ?? [])
            {
                if (spec.GetArray("tolerations")?.Objects.Any(t => ApiNode.DeepEquals(t, toleration)) != true)
                {
                    spec.GetOrAddArray("tolerations").Add(toleration.Clone());
                }
            }
        }
    }

    private static void SetOverhead(AdmissionRequest request, ApiObject spec, ApiDocument? runtime)
    {
        var wanted = runtime?["overhead"]?["podFixed"]?.AsObject();
        var given = spec.GetObject("overhead");
        if (given is { Count: > 0 } && !ApiNode.DeepEquals(given, wanted))
        {
            throw Forbidden(request, wanted is null
                ? "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
                : "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
        }

        if (wanted is { Count: > 0 })
        {
            spec.Set("overhead", wanted.DeepClone());
        }
    }

    private static void SetNodeSelector(AdmissionRequest request, ApiObject spec, ApiObject scheduling)
    {
        foreach (var (label, value) in scheduling.GetObject("nodeSelector") ?? [])
        {
            var selector = spec.GetOrAddObject("nodeSelector");
            if (selector[label] is { } own && !ApiNode.DeepEquals(own, value))
            {
                throw Forbidden(request, $"conflict: runtimeClass.scheduling.nodeSelector[{label}] = {value.AsString()}; pod.spec.nodeSelector[{label}] = {own.AsString()}");
            }

            selector.Set(label, value);
        }
    }

    private static ApiStatusException Forbidden(AdmissionRequest request, string reason) =>
        new(ApiStatus.Forbidden(request.Resource.GroupResource, request.Name, reason));
}
