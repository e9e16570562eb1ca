using Trireme.Api;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission;

/// <summary>Turns the name of a pod's priority class into its number.</summary>
internal sealed class Priority(ResourceLookup lookup) : IAdmissionPlugin
{
    private const string Group = "scheduling.k8s.io";

    /// <inheritdoc/>
    public string Name => "Priority";

    /// <inheritdoc/>
    public async ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || !request.IsCore("pods") || request.Object?.Spec is not { } spec)
        {
            return;
        }

        var (name, priority, preemption) = await ResolveAsync(request, spec.GetString("priorityClassName") ?? "", cancellationToken);
        if (spec.GetInt64("priority") is { } given && given != priority)
        {
            throw new ApiStatusException(ApiStatus.Forbidden(
                request.Resource.GroupResource,
                request.Name,
                $"the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"));
        }

        spec.SetOrRemove("priorityClassName", name);
        spec.Set("priority", priority);
        spec["preemptionPolicy"] ??= preemption;
    }

    private async ValueTask<(string Name, long Priority, string Preemption)> ResolveAsync(
        AdmissionRequest request, string name, CancellationToken cancellationToken)
    {
        // Also where nobody has made the two classes yet that the cluster's own components need.
        var builtIn = name switch
        {
            "system-node-critical" => 2_000_001_000L,
            "system-cluster-critical" => 2_000_000_000L,
            _ => 0,
        };
        if (builtIn > 0)
        {
            return (name, builtIn, "PreemptLowerPriority");
        }

        var found = name.Length > 0
            ? await lookup.FindAsync(Group, "priorityclasses", null, name, cancellationToken)
                ?? throw new ApiStatusException(ApiStatus.Forbidden(
                    request.Resource.GroupResource, request.Name, $"no PriorityClass with name {name} was found"))
            : lookup.List(Group, "priorityclasses").Where(c => c["globalDefault"]?.AsBoolean() == true).MinBy(c => c["value"]?.AsInt64() ?? 0);
        return found is null
            ? ("", 0, "PreemptLowerPriority")
            : (found.Metadata.Name!, found["value"]?.AsInt64() ?? 0, found["preemptionPolicy"]?.AsString() ?? "PreemptLowerPriority");
    }
}
