using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet;

/// <summary>Where things lie under the kubelet's root directory; the same layout as upstream's where tools know it.</summary>
public sealed record KubeletPaths(string Root, string PodLogs)
{
    public string Pods => Path.Combine(Root, "pods");

    public string Checkpoints => Path.Combine(Root, "checkpoints");

    /// <summary>Localhost seccomp profiles.</summary>
    public string Seccomp => Path.Combine(Root, "seccomp");

    public string Pki => Path.Combine(Root, "pki");

    public string Pod(string uid) => Path.Combine(Pods, uid);

    public string Volumes(string uid) => Path.Combine(Pod(uid), "volumes");

    /// <param name="uid">Uid of the pod.</param>
    /// <param name="plugin">Short name of the volume's kind, for example <c>empty-dir</c>.</param>
    /// <param name="name">Name of the volume in the pod.</param>
    public string Volume(string uid, string plugin, string name) => Path.Combine(Volumes(uid), $"kubernetes.io~{plugin}", name);

    public string EtcHosts(string uid) => Path.Combine(Pod(uid), "etc-hosts");

    /// <summary>Holds the termination messages of one container's runs.</summary>
    public string Container(string uid, string name) => Path.Combine(Pod(uid), "containers", name);

    /// <summary>Log directory of a pod, as the sandbox gets it.</summary>
    public string PodLog(Pod pod) => PodLog(pod.Namespace(), pod.Name(), pod.Uid());

    public string PodLog(string @namespace, string name, string uid) => Path.Combine(PodLogs, $"{@namespace}_{name}_{uid}");
}
