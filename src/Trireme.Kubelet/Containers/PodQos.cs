using Trireme.Api;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>Quality-of-service class of a pod and what follows from it for the kernel.</summary>
public static class PodQos
{
    /// <summary>Processor time a cgroup gets per period, in microseconds.</summary>
    public const long CpuPeriod = 100_000;

    /// <summary>Smallest weight that the kernel takes.</summary>
    public const long MinShares = 2;

    /// <summary>
    /// Guaranteed when every container has limits for cpu and memory and requests equal to them; BestEffort when none has either; else Burstable.
    /// </summary>
    public static string ClassOf(Pod pod)
    {
        var any = false;
        var guaranteed = true;
        foreach (var container in pod.AllContainers())
        {
            foreach (var resource in (ReadOnlySpan<string>)[ResourceName.Cpu, ResourceName.Memory])
            {
                var limit = Amount(container.Resources?.Limits, resource);
                var request = Amount(container.Resources?.Requests, resource);
                any |= limit > 0 || request > 0;
                guaranteed &= limit > 0 && (request == 0 || request == limit);
            }
        }

        return !any ? PodQOSClass.BestEffort : guaranteed ? PodQOSClass.Guaranteed : PodQOSClass.Burstable;
    }

    /// <summary>
    /// How readily the kernel kills a container's processes: -997 for guaranteed, 1000 for best effort, in between the less
    /// the larger a share of the machine's memory was requested.
    /// </summary>
    public static int OomScoreAdjust(Pod pod, Container container, long memoryCapacity)
    {
        if (pod.Spec?.PriorityClassName == "system-node-critical")
        {
            return -997;
        }

        switch (ClassOf(pod))
        {
            case PodQOSClass.Guaranteed:
                return -997;
            case PodQOSClass.BestEffort:
                return 1000;
            default:
                var request = (long)Amount(container.Resources?.Requests, ResourceName.Memory);
                var score = 1000 - (memoryCapacity > 0 ? (int)(1000m * request / memoryCapacity) : 0);
                return Math.Clamp(score, 3, 999);
        }
    }

    /// <summary>Weight for a request in thousandths of a core.</summary>
    public static long Shares(long milliCpu) => milliCpu == 0 ? MinShares : Math.Clamp(milliCpu * 1024 / 1000, MinShares, 262_144);

    /// <summary>Quota per <see cref="CpuPeriod"/> for a limit in thousandths of a core; 0 for no limit. The kernel takes no less than 1 ms.</summary>
    public static long Quota(long milliCpu) => milliCpu == 0 ? 0 : Math.Max(milliCpu * CpuPeriod / 1000, 1000);

    /// <summary>What the pod's cgroup gets; no limit when one of its containers, init containers among them, has none.</summary>
    public static CgroupResources CgroupOf(Pod pod)
    {
        var requests = Effective(pod, c => MilliCpu(c.Resources?.Requests, c.Resources?.Limits));
        var cpuLimits = pod.AllContainers().All(c => Amount(c.Resources?.Limits, ResourceName.Cpu) > 0)
            ? Effective(pod, c => MilliCpu(c.Resources?.Limits, null))
            : 0;
        var memoryLimits = pod.AllContainers().All(c => Amount(c.Resources?.Limits, ResourceName.Memory) > 0)
            ? Effective(pod, c => (long)Amount(c.Resources?.Limits, ResourceName.Memory))
            : 0;
        return new CgroupResources(Shares(requests), Quota(cpuLimits), memoryLimits);
    }

    /// <summary>Amount requested by a pod: the sum of its containers and sidecars, or its largest init container if that is more.</summary>
    public static decimal Requested(Pod pod, string resource) => Effective(pod, c => Amount(c.Resources?.Requests, resource));

    /// <summary>What one container is asked for and limited to.</summary>
    public static Cri.V1.LinuxContainerResources ContainerResources(Pod pod, Container container, long memoryCapacity)
    {
        var cpuLimit = MilliCpu(container.Resources?.Limits, null);
        return new Cri.V1.LinuxContainerResources
        {
            CpuShares = Shares(MilliCpu(container.Resources?.Requests, container.Resources?.Limits)),
            CpuPeriod = CpuPeriod,
            CpuQuota = Quota(cpuLimit),
            MemoryLimitInBytes = (long)Amount(container.Resources?.Limits, ResourceName.Memory),
            OomScoreAdj = OomScoreAdjust(pod, container, memoryCapacity),
        };
    }

    private static decimal Effective(Pod pod, Func<Container, decimal> amount)
    {
        var sum = pod.Containers().Sum(amount);
        decimal sidecars = 0;
        decimal largestInit = 0;
        foreach (var init in pod.InitContainers())
        {
            if (init.IsSidecar())
            {
                sidecars += amount(init);
                largestInit = Math.Max(largestInit, sidecars);
            }
            else
            {
                largestInit = Math.Max(largestInit, sidecars + amount(init));
            }
        }

        return Math.Max(sum + sidecars, largestInit);
    }

    private static long Effective(Pod pod, Func<Container, long> amount) => (long)Effective(pod, c => (decimal)amount(c));

    private static long MilliCpu(Dictionary<string, Quantity>? first, Dictionary<string, Quantity>? fallback)
    {
        var amount = Amount(first, ResourceName.Cpu);
        return (long)decimal.Ceiling((amount > 0 ? amount : Amount(fallback, ResourceName.Cpu)) * 1000);
    }

    private static decimal Amount(Dictionary<string, Quantity>? list, string resource) =>
        list is not null && list.TryGetValue(resource, out var quantity) ? quantity.Value : 0;
}

/// <summary>Settings of a cgroup; 0 means no limit.</summary>
/// <param name="CpuShares">Weight on cgroup v1's scale (1024 is one core).</param>
/// <param name="CpuQuota">Microseconds per <see cref="PodQos.CpuPeriod"/>.</param>
/// <param name="MemoryLimit">Bytes.</param>
public readonly record struct CgroupResources(long CpuShares, long CpuQuota, long MemoryLimit);
