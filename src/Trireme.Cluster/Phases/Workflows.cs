using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Phases;

/// <summary>The phases of init and join, in the order in which they run. Phases of one inner list run side by side.</summary>
public static class Workflows
{
    private static readonly string[] _controlPlane = [MachineComponents.ControllerManager, MachineComponents.Scheduler, MachineComponents.Keepalived];
    private static readonly string[] _node = [MachineComponents.Containerd, MachineComponents.Kubelet, MachineComponents.Proxy];

    /// <summary>The first server of a new cluster.</summary>
    public static IReadOnlyList<IReadOnlyList<Phase>> Init { get; } =
    [
        [PreflightPhase.Create()],
        [CertificatePhases.Certificates()],
        [CertificatePhases.Kubeconfigs(), ContainerdPhase.Configuration(), EtcdPhases.Bootstrap()],
        [ComponentPhases.Start("start-api", MachineComponents.Containerd, MachineComponents.Etcd, MachineComponents.ApiServer)],
        [ComponentPhases.WaitApi(), EtcdPhases.Confirm()],
        [ComponentPhases.Start("start-components", [.. _controlPlane, .. _node])],
        [
            ClusterPhases.UploadConfig(), ClusterPhases.UploadCertificates(), ClusterPhases.Token(), ClusterPhases.ClusterInfo(),
            ClusterPhases.Addons(), ContainerdPhase.Images(), NodeNamePhases.MarkControlPlane(),
        ],
    ];

    /// <summary>One more server.</summary>
    /// <remarks>
    /// The node agent starts before the store member does: it works through the servers that are there, and is ready by the time this machine is one.
    /// </remarks>
    public static IReadOnlyList<IReadOnlyList<Phase>> JoinServer { get; } =
    [
        [PreflightPhase.Create()],
        [JoinPhases.Discovery()],
        [NodeNamePhases.Check()],
        [JoinPhases.DownloadConfig()],
        [JoinPhases.DownloadCertificates()],
        [CertificatePhases.Certificates()],
        [CertificatePhases.Kubeconfigs(), ContainerdPhase.Configuration()],
        [ComponentPhases.Start("start-node", _node)],
        [EtcdPhases.Join(), ContainerdPhase.Images()],
        [ComponentPhases.Start("start-control-plane", [MachineComponents.ApiServer, .. _controlPlane])],
        [ComponentPhases.WaitApi(), NodeNamePhases.MarkControlPlane()],
    ];

    /// <summary>A machine that only runs pods.</summary>
    public static IReadOnlyList<IReadOnlyList<Phase>> JoinWorker { get; } =
    [
        [PreflightPhase.Create()],
        [JoinPhases.Discovery()],
        [NodeNamePhases.Check()],
        [JoinPhases.DownloadConfig()],
        [JoinPhases.KubeletBootstrap()],
        [CertificatePhases.Kubeconfigs(), ContainerdPhase.Configuration()],
        [ComponentPhases.Start("start-node", _node)],
        [ContainerdPhase.Images(), NodeNamePhases.Mark()],
    ];

    /// <summary>Every phase by its name, for running one alone.</summary>
    public static IReadOnlyList<Phase> All { get; } =
        [.. Init.Concat(JoinServer).Concat(JoinWorker).SelectMany(stage => stage).Append(EtcdPhases.Remove()).DistinctBy(phase => phase.Name)];
}
