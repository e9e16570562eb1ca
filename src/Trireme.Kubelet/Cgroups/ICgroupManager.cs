using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Cgroups;

/// <summary>The cgroups above the containers: <c>kubepods</c>, one per quality class, one per pod.</summary>
public interface ICgroupManager
{
    /// <summary>Path of a pod's cgroup as CRI wants it, for example <c>/kubepods/burstable/pod0123</c>.</summary>
    string PodCgroup(Pod pod);

    /// <summary>Makes the pod's cgroup with its limits; containers must not be made before it.</summary>
    void EnsurePod(Pod pod);

    /// <summary>Removes a pod's cgroup in every hierarchy and class; true when nothing of it is left.</summary>
    bool TryRemovePod(string podUid);

    /// <summary>Uids of the pods that have a cgroup.</summary>
    IReadOnlyCollection<string> ListPods();

    /// <summary>Bytes of memory that a pod uses and cannot give back easily; null when it has no cgroup.</summary>
    long? MemoryWorkingSet(string podUid);
}
