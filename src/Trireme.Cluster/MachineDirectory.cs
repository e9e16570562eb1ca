namespace Trireme.Cluster;

/// <summary>
/// Where everything of one machine lives: one directory, so that several machines can share a root file system and a machine is
/// removed by removing it.
/// </summary>
/// <param name="Root">The data directory, absolute.</param>
public sealed record MachineDirectory(string Root)
{
    /// <summary>Used when no <c>--data-dir</c> is given.</summary>
    public const string DefaultRoot = "/var/lib/trireme";

    /// <summary>Certificates and keys.</summary>
    public string Pki => Path.Combine(Root, "pki");

    /// <summary>Data of this machine's etcd member.</summary>
    public string Etcd => Path.Combine(Root, "etcd");

    /// <summary>Everything of this machine's containerd.</summary>
    public string Containerd => Path.Combine(Root, "containerd");

    public string ContainerdConfig => Path.Combine(Containerd, "config.toml");

    public string ContainerdSocket => Path.Combine(Containerd, "containerd.sock");

    /// <summary>Network configuration of pods, written by the proxy and read by containerd.</summary>
    public string CniConfig => Path.Combine(Containerd, "cni", "net.d");

    /// <summary>Address leases of the CNI plugin host-local, which every machine needs apart.</summary>
    public string CniState => Path.Combine(Containerd, "cni", "results");

    public string Kubelet => Path.Combine(Root, "kubelet");

    public string Logs => Path.Combine(Root, "logs");

    /// <summary>Pid files, the supervisor's control socket and other things that mean nothing after a reboot.</summary>
    public string Run => Path.Combine(Root, "run");

    public string SupervisorSocket => Path.Combine(Run, "supervisor.sock");

    /// <summary>Servers and members that were last known, so that a machine finds the others without asking anyone.</summary>
    public string Endpoints => Path.Combine(Root, "endpoints.json");

    /// <summary>What this machine is, as <see cref="MachineConfig"/>.</summary>
    public string Config => Path.Combine(Root, "config.yaml");

    /// <summary>The machine's identity; it survives a change of name and address.</summary>
    public string MachineId => Path.Combine(Root, "machine-id");

    public string AdminKubeconfig => Path.Combine(Root, "admin.conf");

    public string KubeletKubeconfig => Path.Combine(Root, "kubelet.conf");

    public string ControllerManagerKubeconfig => Path.Combine(Root, "controller-manager.conf");

    public string SchedulerKubeconfig => Path.Combine(Root, "scheduler.conf");

    public string ProxyKubeconfig => Path.Combine(Root, "proxy.conf");

    /// <summary>Configuration and track file of keepalived.</summary>
    public string Keepalived => Path.Combine(Root, "keepalived");

    /// <summary>Log file of a component.</summary>
    public string LogOf(string component) => Path.Combine(Logs, component + ".log");

    /// <summary>Process id and start time of a component.</summary>
    public string PidFileOf(string component) => Path.Combine(Run, component + ".pid");
}
