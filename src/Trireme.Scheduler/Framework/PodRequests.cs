using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>What a pod asks of a node, as the kubelet will account for it.</summary>
/// <remarks>
/// Containers and restartable init containers (sidecars, KEP-753) run together, so they add up; ordinary init containers run one after
/// another beside the sidecars started before them, so the highest counts. Pod-level resources (KEP-2837) replace the sum where given; overhead
/// (KEP-688) comes on top. While a resize is under way the larger of wish and allocation counts (KEP-1287).
/// </remarks>
internal static class PodRequests
{
    /// <summary>What a container without a CPU request counts as in scores, so that many such pods do not pile up on one node.</summary>
    public const long DefaultMilliCpu = 100;

    /// <summary>The same for memory: 200 MB.</summary>
    public const long DefaultMemory = 200 * 1024 * 1024;

    /// <summary>The request that a node must be able to hold.</summary>
    public static Resource Of(Pod pod) => Sum(pod, nonZero: false);

    /// <summary>As <see cref="Of"/>, with <see cref="DefaultMilliCpu"/> and <see cref="DefaultMemory"/> where a container asks for nothing.</summary>
    public static Resource NonZero(Pod pod) => Sum(pod, nonZero: true);

    private static Resource Sum(Pod pod, bool nonZero)
    {
        var spec = pod.Spec;
        var total = new Resource();
        if (spec is null)
        {
            return total;
        }

        foreach (var container in spec.Containers ?? [])
        {
            total.Add(OfContainer(container, pod.Status?.ContainerStatuses, nonZero));
        }

        AddInitContainers(pod, nonZero, total);
        foreach (var (name, quantity) in spec.Resources?.Requests ?? [])
        {
            total.Set(name, Resource.Amount(name, quantity));
        }

        total.Add(spec.Overhead);
        return total;
    }

    private static void AddInitContainers(Pod pod, bool nonZero, Resource total)
    {
        if (pod.Spec?.InitContainers is not { Count: > 0 } initContainers)
        {
            return;
        }

        var sidecars = new Resource();
        var peak = new Resource();
        foreach (var container in initContainers)
        {
            var request = OfContainer(container, pod.Status?.InitContainerStatuses, nonZero);
            if (container.RestartPolicy == ContainerRestartPolicy.Always)
            {
                sidecars.Add(request);
                peak.Max(sidecars);
            }
            else
            {
                request.Add(sidecars);
                peak.Max(request);
            }
        }

        total.Add(sidecars);
        total.Max(peak);
    }

    private static Resource OfContainer(Container container, List<ContainerStatus>? statuses, bool nonZero)
    {
        var request = Resource.From(container.Resources?.Requests);
        var status = statuses?.Find(s => s.Name == container.Name);
        if (status?.AllocatedResources is { } allocated)
        {
            request.Max(Resource.From(allocated));
        }

        if (nonZero)
        {
            // Only a missing request is replaced: an explicit zero is what the user wants.
            var requests = container.Resources?.Requests;
            request.MilliCpu = requests?.ContainsKey(ResourceName.Cpu) == true ? request.MilliCpu : DefaultMilliCpu;
            request.Memory = requests?.ContainsKey(ResourceName.Memory) == true ? request.Memory : DefaultMemory;
        }

        return request;
    }
}
